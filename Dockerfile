# Millrace as an image: built from the locked packages, run as nobody in particular, with nothing in it that builds.
#   docker build -t millrace:0.1.0 .
# BASE is any glibc image with Python 3.11 or 3.12 (and its venv module) as python3.
ARG BASE=python:3.12-slim-bookworm

FROM ${BASE} AS build
# Extras of pyproject.toml; the sandbox ERP of the demo overlay needs `sandbox` too.
ARG EXTRAS=postgres,objectstore
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ONLY_BINARY=:all: PIP_CACHE_DIR=/tmp/pip
WORKDIR /src
COPY pyproject.toml requirements.lock ./
COPY tools/locked.py tools/sbom.py tools/
# Packages first: they change seldom. A first look tells which of the locked ones are needed here, then their hashes bind.
RUN python3 tools/locked.py pins >pins.txt \
    && for part in runtime build; do \
         if [ "$part" = build ]; then set -- --group build; else set -- "${EXTRAS}"; fi \
         && python3 tools/locked.py wanted "$@" >"$part.txt" \
         && python3 -m venv "/opt/$part" \
         && "/opt/$part/bin/pip" install --quiet --dry-run --report "$part.json" --constraint pins.txt --requirement "$part.txt" \
         && python3 tools/locked.py select "$part.json" >"$part.lock" \
         && "/opt/$part/bin/pip" install --quiet --no-deps --require-hashes --requirement "$part.lock" \
         || exit 1; \
       done
COPY . .
RUN /opt/build/bin/pip wheel --no-deps --no-build-isolation --no-index --wheel-dir /wheels . \
    && /opt/runtime/bin/pip install --no-deps --no-index /wheels/*.whl \
    && /opt/runtime/bin/pip check \
    && /opt/runtime/bin/pip uninstall --yes pip setuptools \
    && /opt/runtime/bin/python tools/sbom.py requirements.lock >/opt/runtime/sbom.cdx.json

FROM ${BASE}
LABEL org.opencontainers.image.title="Millrace" \
      org.opencontainers.image.description="From machine cycles to booked ERP confirmations" \
      org.opencontainers.image.licenses="Apache-2.0"
# What could install or make an environment in a running container goes.
RUN rm -rf /usr/local/lib/python3*/site-packages/pip* /usr/local/bin/pip* /usr/local/lib/python3*/ensurepip \
    /usr/lib/python3*/ensurepip /usr/share/python-wheels /usr/lib/python3/dist-packages/pip*
# USER is what audits name; HOME and TMPDIR have to be mounted where something shall be kept.
ENV PATH=/opt/runtime/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 \
    HOME=/tmp USER=millrace MILLRACE_METRICS_PORT=9464 MILLRACE_POST_METRICS_PORT=9464
WORKDIR /tmp
USER 10001:10001
EXPOSE 9464
HEALTHCHECK --interval=30s --timeout=6s --start-period=60s CMD ["millrace", "health", "--live"]
ENTRYPOINT ["millrace"]
CMD ["--help"]
# Last and alone: what changes with every build.
COPY --from=build /opt/runtime /opt/runtime
