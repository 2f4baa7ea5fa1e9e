//! Commands of the documents that are not run as they stand, each with the reason. Whatever is not here is run.

/// What is done with a command that is not run as it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Instead {
    /// Nothing.
    Nothing,
    /// This, which does the same with less.
    Shorter(&'static str),
}

/// A command, as the documents write it but on one line.
pub(crate) struct Excuse {
    pub(crate) command: &'static str,
    pub(crate) instead: Instead,
    pub(crate) why: &'static str,
}

const fn not_run(command: &'static str, why: &'static str) -> Excuse {
    Excuse { command, instead: Instead::Nothing, why }
}

const fn shorter(command: &'static str, instead: &'static str, why: &'static str) -> Excuse {
    Excuse { command, instead: Instead::Shorter(instead), why }
}

pub(crate) const EXCUSES: &[Excuse] = &[
    not_run("bash tests/all", "it runs this test"),
    shorter(
        "cargo run --release --example simulate -- --seeds 10000",
        "cargo run --release --example simulate -- --seeds 3",
        "so many take minutes",
    ),
    shorter(
        "cargo run --release --example simulate -- --from 10000 --seeds 500",
        "cargo run --release --example simulate -- --from 10000 --seeds 3",
        "so many take minutes",
    ),
    shorter(
        "cargo run --release -- load",
        "cargo run --release -- load --texters 5 --duration 1s",
        "it takes half a minute",
    ),
    shorter(
        "cargo run --release -- load --texters 1000 --think 0s --report load.html",
        "cargo run --release -- load --texters 5 --think 0s --report load.html --duration 1s",
        "so many are a load for the machine that tests",
    ),
    shorter(
        "cargo run --release -- load --texters 500 --rate 200 --duration 10m",
        "cargo run --release -- load --texters 5 --rate 20 --duration 1s",
        "it takes ten minutes",
    ),
    shorter(
        "cargo run --release -- load --texters 10000 --think 8s --ramp 20s --duration 10m --receipts --report load.html",
        "cargo run --release -- load --texters 5 --think 1s --ramp 1s --duration 1s --receipts --report load.html",
        "it takes ten minutes",
    ),
    not_run(
        "cargo install --path . --locked",
        "it builds all of it anew; the binary that it would install is what every other command runs",
    ),
    not_run(
        "BUILD_COMMIT=$(git rev-parse --short HEAD) cargo install --path . --locked",
        "it builds all of it anew; the binary that it would install is what every other command runs",
    ),
    not_run(
        "read -rs TWILIO_AUTH_TOKEN && export TWILIO_AUTH_TOKEN",
        "it asks whoever sits there; the variable is set for all that follows",
    ),
    not_run(
        "read -rs WATSON_APIKEY && export WATSON_APIKEY",
        "it asks whoever sits there; the variable is set for all that follows",
    ),
    not_run(
        "read -rs CONTROL_TOKEN && export CONTROL_TOKEN",
        "it asks whoever sits there; the variable is set for all that follows",
    ),
    not_run("cloudflared tunnel --url http://127.0.0.1:8080", "it leads from the internet to this machine"),
    not_run("ngrok http 8080", "it leads from the internet to this machine"),
    not_run("cargo install cargo-fuzz", "it gets another program from the internet"),
    not_run(
        "cargo +nightly fuzz run twilio fuzz/corpus/twilio fuzz/seeds/twilio -- -max_total_time=1800",
        "it runs for half an hour, and needs a nightly toolchain; tests/fuzz_corpus.rs runs what it has found",
    ),
    not_run("rustup target add x86_64-unknown-linux-musl", "it changes the machine"),
    not_run("sudo apt-get install --yes musl-tools", "it changes the machine"),
    not_run(
        "cargo build --profile dist --locked --target x86_64-unknown-linux-musl",
        "it needs what the two above it install, and minutes",
    ),
    not_run(
        "sudo install -m 0755 target/x86_64-unknown-linux-musl/dist/raconteur /usr/local/bin/raconteur",
        "it changes the machine",
    ),
    not_run("sudo install -d -m 0755 /etc/raconteur", "it changes the machine"),
    not_run("sudo install -d -m 0700 /etc/raconteur/secrets", "it changes the machine"),
    not_run("sudo install -m 0644 raconteur.toml /etc/raconteur/raconteur.toml", "it changes the machine"),
    not_run("sudo install -m 0600 /dev/stdin /etc/raconteur/secrets/twilio_auth_token", "it changes the machine"),
    not_run(
        "sudo install -m 0644 ops/systemd/raconteur.service /etc/systemd/system/raconteur.service",
        "it changes the machine; tests/packaging.rs reads the unit",
    ),
    not_run("sudo systemctl daemon-reload", "it changes the machine"),
    not_run("sudo systemctl enable --now raconteur", "it changes the machine"),
    not_run("sudo systemctl stop raconteur", "it changes the machine"),
    not_run(
        "sudo systemd-run --pipe --wait --property=DynamicUser=yes --property=User=raconteur --property=StateDirectory=raconteur /usr/local/bin/raconteur store check --store /var/lib/raconteur/store",
        "it changes the machine",
    ),
    not_run(
        "docker build --tag raconteur --build-arg BUILD_COMMIT=\"$(git rev-parse --short HEAD)\" .",
        "it needs Docker; tests/packaging.rs reads the Dockerfile",
    ),
    not_run(
        "docker run --name raconteur --detach --restart unless-stopped --stop-timeout 45 --publish 127.0.0.1:8080:8080 --volume conversations:/data --volume ./raconteur.toml:/etc/raconteur/raconteur.toml:ro --env TWILIO_AUTH_TOKEN raconteur",
        "it needs Docker; tests/packaging.rs reads the Dockerfile",
    ),
    not_run("docker logs --follow raconteur", "it needs Docker; tests/packaging.rs reads the Dockerfile"),
    not_run("docker exec raconteur raconteur check", "it needs Docker; tests/packaging.rs reads the Dockerfile"),
    not_run(
        "docker run --rm --publish 127.0.0.1:8080:8080 --env RACONTEUR_SERVER__OPEN_BEYOND_LOOPBACK=true raconteur",
        "it needs Docker; tests/packaging.rs reads the Dockerfile",
    ),
    not_run("cd ops/docker && docker compose up --detach", "it needs Docker; tests/packaging.rs reads the Dockerfile"),
    not_run(
        "npm install openapi-fetch@0.17.0 && npm install --save-dev openapi-typescript@7.13.0 typescript@5.9.3",
        "it gets programs from the internet; tests/client.rs does the same with a kit of its own",
    ),
    not_run(
        "npx openapi-typescript http://127.0.0.1:8080/v1/openapi.json --output raconteur.d.ts",
        "it needs what the line above it installs; tests/client.rs does the same",
    ),
    not_run(
        "pip install openapi-python-client==0.29.1",
        "it gets a program from the internet; tests/client.rs does the same with a kit of its own",
    ),
    not_run(
        "openapi-python-client generate --url http://127.0.0.1:8080/v1/openapi.json --meta none --output-path raconteur_client",
        "it needs what the line above it installs; tests/client.rs does the same",
    ),
];
