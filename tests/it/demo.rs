//! `portico demo`: what it prints can be pasted into a shell, and the echo is seen.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use portico_tests::gateway::{binary, free_port};
use portico_tests::sim::client;

struct Demo {
    child: Child,
    output: std::path::PathBuf,
}

impl Demo {
    fn said(&self) -> String {
        std::fs::read_to_string(&self.output).unwrap_or_default()
    }

    /// Waits until its output holds a text.
    async fn until(&self, text: &str) -> String {
        let end = Instant::now() + Duration::from_secs(20);
        loop {
            let said = self.said();
            if said.contains(text) {
                return said;
            }
            assert!(Instant::now() < end, "the demo never said {text:?}:\n{said}");
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Two ports side by side: the demo's admin API is on the next one.
fn ports() -> u16 {
    loop {
        let port = free_port();
        if port < u16::MAX && std::net::TcpListener::bind(("127.0.0.1", port + 1)).is_ok() {
            return port;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_printed_command_is_taken_and_its_echo_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("demo.txt");
    let file = std::fs::File::create(&output).unwrap();
    let address = format!("127.0.0.1:{}", ports());
    let data = folder.path().join("kept");
    let child = Command::new(binary().unwrap())
        .args(["demo", "--listen", &address, "--data"])
        .arg(&data)
        .env_clear()
        .stdin(Stdio::null())
        .stdout(file.try_clone().unwrap())
        .stderr(file)
        .spawn()
        .unwrap();
    let mut demo = Demo { child, output };
    let said = demo.until("What travels").await;
    let url = format!("http://{address}/readyz");
    let end = Instant::now() + Duration::from_secs(20);
    while !client::get(&url, &[]).await.is_ok_and(|reply| reply.status == 200) {
        assert!(Instant::now() < end, "the demo is not ready:\n{}", demo.said());
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    let mut commands = 0;
    let lines: Vec<&str> = said.lines().collect();
    for (title, command) in
        lines.iter().zip(lines.iter().skip(1)).filter(|(title, _)| title.starts_with("# "))
    {
        let name = title.trim_start_matches("# ");
        let answer = Command::new("sh").args(["-c", command]).output().unwrap();
        let told = String::from_utf8_lossy(&answer.stdout).into_owned();
        assert!(
            answer.status.success() && told.trim_end().ends_with("200"),
            "{name}: {told} {answer:?}\n{}",
            demo.said()
        );
        let text = match name {
            "slack" => "hello from Slack",
            "telegram" => "hello from Telegram",
            "whatsapp" => "hello from WhatsApp",
            _ => "hello from anywhere",
        };
        // Once as what was sent back; the command itself was printed before the live part.
        let end = Instant::now() + Duration::from_secs(20);
        loop {
            let all = demo.said();
            let live = all.split_once("What travels").map_or("", |(_, live)| live);
            if live.lines().any(|line| line.contains(name) && line.contains(text)) {
                break;
            }
            assert!(Instant::now() < end, "{name}: no echo\n{all}");
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
        commands += 1;
    }
    assert_eq!(commands, 4, "{said}");
    let id = demo.child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    let end = Instant::now() + Duration::from_secs(30);
    let status = loop {
        if let Some(status) = demo.child.try_wait().unwrap() {
            break status;
        }
        assert!(Instant::now() < end, "the demo does not end:\n{}", demo.said());
        tokio::time::sleep(Duration::from_millis(30)).await;
    };
    assert!(status.success(), "{status}\n{}", demo.said());
    assert!(data.is_dir(), "a folder that was named is kept");
}
