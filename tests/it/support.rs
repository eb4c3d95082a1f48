//! A hermetic home with recorded stores, and the server talking in memory.

use std::path::{Path, PathBuf};

use headcount::adapters::REGISTRY;
use headcount::env::Env;
use headcount::rpc::{self, App};
use headcount::transport;
use jsonrpsee::Methods;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

/// The root of the project.
pub(crate) fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Whether what is generated is to be rewritten instead of compared.
#[expect(clippy::disallowed_methods, reason = "a test may be asked to bless")]
pub(crate) fn is_blessing() -> bool {
    std::env::var_os("HEADCOUNT_BLESS").is_some()
}

/// A home of its own for one test; gone when dropped. No process lives in its world but those that the test puts there.
pub(crate) struct Home {
    dir: tempfile::TempDir,
    proc: tempfile::TempDir,
}

impl Home {
    pub(crate) fn empty() -> Self {
        let temporary = || tempfile::tempdir().expect("a temporary directory can be made");
        let home = Self { dir: temporary(), proc: temporary() };
        // By this a table that shows no process is told from none.
        std::fs::write(home.proc_root().join("stat"), "").unwrap();
        // On a busy machine a look may take long.
        home.configure(include_str!("../fixtures/patient.json"));
        home
    }

    /// A home with the recorded store of an agent.
    pub(crate) fn with(agent: &str) -> Self {
        let home = Self::empty();
        copy(&project().join("tests/fixtures").join(agent).join("home"), home.path());
        home
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// What shows the processes of its world.
    pub(crate) fn proc_root(&self) -> &Path {
        self.proc.path()
    }

    /// Writes the user's settings, and returns where.
    pub(crate) fn configure(&self, settings: &str) -> PathBuf {
        let config = self.path().join(".config/headcount/config.json");
        std::fs::create_dir_all(config.parent().unwrap()).unwrap();
        std::fs::write(&config, settings).unwrap();
        config
    }

    /// What the program has logged, started with this state directory.
    pub(crate) fn log(&self) -> String {
        let logs = std::fs::read_dir(self.path().join("state/logs")).unwrap();
        logs.map(|it| std::fs::read_to_string(it.unwrap().path()).unwrap()).collect()
    }

    pub(crate) fn env(&self) -> Env {
        let vars =
            [("HOME", self.path().to_owned()), ("HEADCOUNT_STATE_DIR", self.path().join("state"))];
        let vars = vars.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        Env::of_vars(vars)
            .expect("test homes are absolute")
            .with_proc_root(self.proc_root().to_owned())
    }

    pub(crate) fn methods(&self) -> Methods {
        rpc::router(App::new(self.env(), REGISTRY)).into_methods()
    }

    /// Sends one request over a real connection, in memory, and returns the reply.
    pub(crate) fn call(&self, method: &str, params: &Value) -> Value {
        talk(
            &self.methods(),
            &[json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params })],
        )
        .pop()
        .expect("every request is answered")
    }
}

/// Sends these messages, one a line, and returns the replies in the order they came.
pub(crate) fn talk(methods: &Methods, messages: &[Value]) -> Vec<Value> {
    let lines: Vec<String> = messages.iter().map(Value::to_string).collect();
    let input = lines.join("\n") + "\n";
    let mut output = Vec::new();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime can be made");
    let options = transport::Options::default();
    runtime.block_on(transport::serve(input.as_bytes(), &mut output, methods.clone(), options));
    let lines = output.split(|it| *it == b'\n').filter(|it| !it.is_empty());
    lines.map(|line| serde_json::from_slice(line).expect("replies are JSON")).collect()
}

/// Sends a request over a connection, says a last word once `has_begun` has returned, and leaves when that is answered;
/// returns the answer, which an empty last word has not.
pub(crate) async fn interrupt(
    methods: Methods,
    request: &Value,
    has_begun: impl FnOnce() + Send + 'static,
    last_word: &str,
) -> String {
    let (client, server) = tokio::io::duplex(1 << 16);
    let (reader, writer) = tokio::io::split(server);
    let (answers, mut input) = tokio::io::split(client);
    let serving = transport::serve(reader, writer, methods, transport::Options::default());
    let conversation = async {
        input.write_all(format!("{request}\n").as_bytes()).await.unwrap();
        tokio::task::spawn_blocking(has_begun).await.unwrap();
        input.write_all(last_word.as_bytes()).await.unwrap();
        let mut answer = String::new();
        if !last_word.is_empty() {
            BufReader::new(answers).read_line(&mut answer).await.unwrap();
        }
        answer
    };
    tokio::select! {
        exit = serving => panic!("the client is still there: {exit:?}"),
        answer = conversation => answer,
    }
}

/// Copies a file, or a directory with all it holds.
pub(crate) fn copy(from: &Path, to: &Path) {
    if from.is_dir() {
        std::fs::create_dir_all(to).unwrap();
        for entry in std::fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            copy(&entry.path(), &to.join(entry.file_name()));
        }
    } else {
        std::fs::copy(from, to).unwrap_or_else(|error| panic!("{}: {error}", from.display()));
    }
}
