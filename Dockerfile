# A lab in a container. Build and run it with docker compose; see docker-compose.yml.
FROM python:3.13-slim

WORKDIR /opt/edgesim
COPY requirements.lock ./
RUN pip install --no-cache-dir -r requirements.lock
COPY pyproject.toml setup.py MANIFEST.in README.md LICENSE NOTICE ./
COPY edgesim ./edgesim
COPY scenarios ./scenarios
RUN pip install --no-cache-dir --no-deps . \
    && useradd --create-home --uid 10001 edgesim \
    && install -d -o edgesim -g edgesim /state

USER edgesim
WORKDIR /home/edgesim
# Where the private CAs and their certificates are kept, so that a client beside can be given the CA file.
ENV XDG_DATA_HOME=/state
VOLUME /state
STOPSIGNAL SIGINT
ENTRYPOINT ["edgesim"]
CMD ["up"]
