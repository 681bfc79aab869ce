//! The `portico` command as a person runs it.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use portico_tests::gateway::binary;

/// What a command said and how it ended.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// Runs it to its end, with nothing but `env` in its environment.
pub(crate) async fn portico(folder: &Path, arguments: &[&str], env: &[(&str, &str)]) -> Said {
    let mut command = Command::new(binary().unwrap());
    command.args(arguments).current_dir(folder).env_clear().stdin(Stdio::null());
    command.envs(env.iter().copied());
    let run = tokio::task::spawn_blocking(move || command.output());
    said(run.await.unwrap().unwrap())
}

fn said(output: Output) -> Said {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Said { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
}

impl Said {
    /// Its standard output, when it ended well.
    pub(crate) fn well(self) -> String {
        assert_eq!(self.code, Some(0), "{}\n{}", self.out, self.err);
        self.out
    }
}
