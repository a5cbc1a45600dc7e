# The tests run on the same version (package-lock.json has it). To pin it for good add the digest from your registry:
# node:24.21.0-bookworm-slim@sha256:…
FROM node:24.21.0-bookworm-slim AS base
WORKDIR /app

FROM base AS build
COPY package.json package-lock.json .npmrc ./
# The client library is a package of the development dependencies.
COPY sdk/package.json sdk/
# No package needs its install script here: the one that has one brings a Node.js, and the image has that already.
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY prisma.config.ts ./
COPY prisma prisma
# Prisma looks for an engine binary that `generate` never runs; naming any program keeps it from downloading one.
RUN PRISMA_SCHEMA_ENGINE_BINARY="$(command -v node)" node node_modules/prisma/build/index.js generate
# Prisma's client has its command line tool as an optional peer; without the second flag it stays, and 230 MB with it.
RUN npm prune --omit=dev --legacy-peer-deps --ignore-scripts --no-audit --no-fund
# It also has a query compiler for each kind of database: 50 MB for all but PostgreSQL.
RUN find node_modules/@prisma/client/runtime -name 'query_compiler_*' ! -name '*.postgresql.*' -delete

FROM base
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="chat-backend" \
  org.opencontainers.image.description="The realtime backend of customer-support chat" \
  org.opencontainers.image.licenses="MIT" \
  org.opencontainers.image.version="${VERSION}" \
  org.opencontainers.image.revision="${REVISION}" \
  org.opencontainers.image.base.name="node:24.21.0-bookworm-slim"
ENV NODE_ENV=production
COPY package.json LICENSE ./
COPY prisma/migrations prisma/migrations
COPY src src
COPY --from=build /app/node_modules node_modules
COPY --from=build /app/src/store/generated src/store/generated
# A number shows Kubernetes that the user isn't root. The files belong to root, and the service writes none.
USER 1000:1000
EXPOSE 3000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT || 3000}/livez`).then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
# No shell and no npm in between: node is process 1, and gets SIGTERM itself. It starts no processes that it would have to reap.
# The heap takes 608 MB of 1 GiB at most: outgoing packets lie outside of it (docs/OPERATIONS.md, "Memory").
# Received messages live until they are stored. With room for them a busy pod spends a seventh less on garbage
# (docs/PERFORMANCE.md).
CMD ["node", "--max-semi-space-size=32", "--max-old-space-size=512", "src/main.ts"]
