import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { describe, expect, onTestFinished, test } from "vitest";
import { shareOf } from "../bench/cpu-profile.ts";
import { addCounts, createHistogram, percentile } from "../bench/histogram.ts";
import type { Turn } from "../bench/measure/throughput.ts";
import { readOptions, UsageError } from "../bench/options.ts";
import { isReached } from "../bench/report.ts";
import { ratioOf, spreadOf } from "../bench/stats.ts";

async function bench(...args: string[]) {
  const child = spawn(process.execPath, ["bench/main.ts", ...args], { stdio: ["ignore", "pipe", "pipe"] });
  onTestFinished(() => void child.kill());
  const [output, errors, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "close")]);
  return { output, errors, code };
}

// It reads CPU times from /proc.
test.runIf(process.platform === "linux")(
  "A run measures every candidate, and writes what it found",
  async () => {
    const folder = mkdtempSync(join(tmpdir(), "bench-test-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const options = ["--quick", "--rounds", "1", "--seconds", "1", "--pods", "1"];
    const { output, errors, code } = await bench("--only", "throughput", ...options, "--out", folder);
    expect(code, errors).toBe(0);
    expect(output).toContain("## Goals");

    const written = JSON.parse(readFileSync(join(folder, "results.json"), "utf8"));
    expect(written.about).toMatchObject({ node: process.version, cores: expect.any(Number) });
    const turns = written.figures.throughput as Turn[];
    expect(turns.map(({ candidate }) => candidate)).toEqual(["ours", "relay", "relay-classic", "naive"]);
    for (const turn of turns) {
      const figures = [
        turn.perSecond,
        turn.podUs,
        turn.podUserUs,
        turn.podCalls,
        turn.ack.p50,
        turn.ack.p99,
        turn.delivery.p50,
      ];
      expect(Math.min(...figures), JSON.stringify(turn)).toBeGreaterThan(0);
      if (turn.candidate === "ours" || turn.candidate === "naive") expect(turn.postgresUs).toBeGreaterThan(0);
      // PostgreSQL's own housekeeping may fall into the turn of a relay.
      else expect(turn.postgresUs, turn.candidate).toBeLessThan((turns[0]?.postgresUs ?? 0) / 5);
    }
    expect(readdirSync(folder).sort()).toEqual(["cpu-per-message.svg", "messages-per-second.svg", "results.json"]);
    expect(readFileSync(join(folder, "cpu-per-message.svg"), "utf8")).toMatch(/^<svg.*<\/svg>\n$/s);
  },
  180_000,
);

describe("The options", () => {
  const read = (...args: string[]) => readOptions(args, ["throughput", "latency"]);

  test("are the options of the full run unless they are given", () => {
    expect(read()).toMatchObject({ only: [], quick: false, rounds: 3, pods: [1, 2, 4, 8], seconds: 5 });
    expect(read("--quick", "--pods", "4,1,4")).toMatchObject({ quick: true, rounds: 1, pods: [1, 4], seconds: 2 });
  });

  test.each([["--only", "nothing"], ["--pods", "1,x"], ["--rounds", "0"], ["--seconds", "1.5"], ["--what"], ["one"]])(
    "are refused when they are wrong: %s %s",
    (...args) => {
      expect(() => read(...args.filter(Boolean))).toThrow(UsageError);
    },
  );

  test("are refused with exit code 2 and the usage", async () => {
    const { code, errors } = await bench("--rounds", "none");
    expect([code, errors]).toEqual([2, expect.stringMatching(/^--rounds none: .*\n\nUsage: /)]);
  });
});

describe("The statistics", () => {
  test("A spread has the median of all values, and the outermost", () => {
    expect(spreadOf([3, 1, 10])).toEqual({ median: 3, min: 1, max: 10 });
    expect(spreadOf([4, 1, 2, 10])).toEqual({ median: 3, min: 1, max: 10 });
  });

  test("A ratio is the ratio of the medians, between the ratios of the single turns", () => {
    expect(ratioOf([10, 30, 20], [10, 10, 40])).toEqual({ median: 2, min: 0.5, max: 3 });
  });

  test("A goal is reached at its limit, and not beyond it", () => {
    const goal = (median: number, best: "low" | "high") =>
      isReached({ goal: "", ratio: { median, min: median, max: median }, limit: 1, best });
    expect([goal(1, "low"), goal(1.01, "low"), goal(1, "high"), goal(0.99, "high")]).toEqual([
      true,
      false,
      true,
      false,
    ]);
  });

  test("A histogram's percentiles are right to within 0.2 %, from 1 to 100 seconds in microseconds", () => {
    for (const scale of [1, 1_000, 100_000]) {
      const histogram = createHistogram();
      for (let value = 1; value <= 1_000; value++) histogram.record(value * scale);
      const counts = histogram.take();
      for (const percent of [1, 50, 99, 100]) {
        const right = percent * 10 * scale;
        expect(Math.abs(percentile(counts, percent) - right) / right).toBeLessThanOrEqual(0.002);
      }
      expect(histogram.take()).toEqual([]);
    }
  });

  test("A CPU profile gives the share of some files with all that they call, without idle time", () => {
    const node = (id: number, functionName: string, url: string, children: number[] = []) => ({
      ...{ id, callFrame: { functionName, url }, children },
    });
    const profile = {
      nodes: [
        node(1, "(root)", "", [2, 3, 5]),
        node(2, "serve", "file:///main.ts"),
        node(3, "inc", "file:///chosen.js", [4]),
        node(4, "sort", ""),
        node(5, "(idle)", ""),
      ],
      samples: [3, 5, 2, 3, 4, 5],
      timeDeltas: [1_000, 1_000, 6_000, 1_000, 3_000, 5_000],
    };
    const share = (lastMs: number) => shareOf(profile, { isChosen: (url) => url.includes("chosen"), lastMs });
    expect([share(100), share(16)]).toEqual([5 / 11, 4 / 10]);
  });

  test("Counts of several processes add up", () => {
    const counts = [1, 1, 5].map((value) => {
      const histogram = createHistogram();
      histogram.record(value);
      return histogram.take();
    });
    expect(addCounts(counts)).toEqual([
      { bucket: 1, count: 2 },
      { bucket: 5, count: 1 },
    ]);
    expect(percentile(addCounts(counts), 99)).toBe(5);
    expect(percentile([], 50)).toBeNaN();
  });
});
