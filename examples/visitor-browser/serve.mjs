// Serves this folder, without a build: PORT or 8080.
import { createReadStream, existsSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";

const types = { ".html": "text/html", ".js": "text/javascript" };
const server = createServer(({ url }, response) => {
  const path = normalize(new URL(url, "http://localhost").pathname);
  const file = join(import.meta.dirname, path === "/" ? "index.html" : path);
  const type = types[extname(file)];
  if (!type || !existsSync(file)) return response.writeHead(404).end();
  response.setHeader("Content-Type", `${type}; charset=utf-8`);
  createReadStream(file).pipe(response);
});
server.listen(process.env.PORT ?? 8080, "localhost", () => {
  console.log(`Open http://localhost:${server.address().port}/`);
});
