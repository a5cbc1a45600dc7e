/** A sample from `GET /metrics`, read as Prometheus reads it. */
export type Series = { name: string; labels: Record<string, string>; value: number };

export async function readSeries(url: string): Promise<Series[]> {
  const text = await (await fetch(`${url}/metrics`)).text();
  return [...text.matchAll(/^([a-z_\d]+)(?:\{(.*)\})? (\S+)$/gm)].map(([, name, labels, value]) => ({
    name: name as string,
    labels: Object.fromEntries([...(labels ?? "").matchAll(/(\w+)="([^"]*)"/g)].map(([, key, text]) => [key, text])),
    value: Number(value),
  }));
}

/** The sum over all series of that name that have these labels; undefined when there is none. */
export function sumOf(series: Series[], name: string, labels: Record<string, string> = {}): number | undefined {
  const found = series.filter(
    (one) => one.name === name && Object.entries(labels).every(([key, value]) => one.labels[key] === value),
  );
  return found.length === 0 ? undefined : found.reduce((sum, { value }) => sum + value, 0);
}
