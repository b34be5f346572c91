//! Many at once, and not all of them kind: idle ones, slow ones, greedy ones, curious ones.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use reqwest::Method;
use sequencer::config::{AccountConfig, Config};
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpSocket, TcpStream};

use crate::support::{Server, chat, config, key, model, model_folder};

const IDLE: usize = 10_000;
const TARGET: &str = "REFUTE_TEST_IDLE_TARGET";

/// Not a test: a process of its own, because each side of ten thousand connections needs as many files.
#[tokio::test]
#[ignore = "started by the test below"]
async fn the_one_who_holds_connections() {
    let Ok(address) = std::env::var(TARGET) else { return };
    rlimit::increase_nofile_limit(IDLE as u64 + 256).unwrap();
    let mut idle = Vec::with_capacity(IDLE);
    while idle.len() < IDLE {
        idle.push(TcpStream::connect(&address).await.unwrap());
    }
    std::future::pending::<()>().await;
}

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn open_connections(server: &Server) -> usize {
    let (_, metrics) = server.get("/metrics").await;
    let lines = metrics.as_str().unwrap().lines();
    let mut open = lines.filter_map(|line| line.strip_prefix("refute_sequencer_connections "));
    open.next().unwrap().parse().unwrap()
}

async fn until_open(server: &Server, what: impl Fn(usize) -> bool) {
    let begin = Instant::now();
    loop {
        let open = open_connections(server).await;
        if what(open) {
            return;
        }
        assert!(begin.elapsed() < Duration::from_secs(60), "{open} connections are open");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_idle_connections_harm_nobody() {
    let server = Server::new().await;
    let (key, _) = server.make_key(0, 1, 1_000_000).await;
    let idle = Command::new(std::env::current_exe().unwrap())
        .args(["crowd::the_one_who_holds_connections", "--exact", "--ignored"])
        .env(TARGET, server.url.strip_prefix("http://").unwrap())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let idle = Killed(idle);
    until_open(&server, |open| open > IDLE).await;
    let begin = Instant::now();
    for _ in 0..20 {
        let (status, body) = server.post("/v1/chat/completions", Some(&key), &chat("echo", "here")).await;
        assert_eq!(status, 200, "{body}");
    }
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?} for twenty answers", begin.elapsed());
    drop(idle);
    until_open(&server, |open| open < 10).await;
    server.stop().await;
}

#[tokio::test]
async fn a_reader_that_takes_nothing_loses_its_connection_and_no_one_else_waits() {
    let folder = tempfile::tempdir().unwrap();
    let config = Config { write_timeout: 1, ..config(&folder) };
    let server = Server::with(folder, config).await;
    let (key, _) = server.make_key(0, 1, u128::MAX).await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let address = server.url.strip_prefix("http://").unwrap().parse().unwrap();
    let mut deaf = socket.connect(address).await.unwrap();
    // More in all than the system's buffers hold.
    let size = server.get("/openapi.json").await.1.to_string().len();
    let request = format!("GET /openapi.json HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\n\r\n");
    deaf.write_all(request.repeat((16 << 20) / size).as_bytes()).await.unwrap();
    assert_eq!(open_connections(&server).await, 2);
    let (status, answer) = server.post("/v1/chat/completions", Some(&key), &chat("echo", "me?")).await;
    assert_eq!(status, 200, "{answer}");
    until_open(&server, |open| open == 1).await;
    drop(deaf);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_that_asks_for_everything_does_not_starve_another() {
    let folder = tempfile::tempdir().unwrap();
    let rich = |seed| AccountConfig { owner: key(seed).address(), balance: "1000000000000".into() };
    let config = Config {
        models: vec![model("smollm2", model_folder("smollm2-135m-w8", "make model"))],
        accounts: vec![rich(0), rich(1)],
        sequences: 2,
        sequences_per_account: 1,
        waiting_per_account: 3,
        drain: 0,
        ..config(&folder)
    };
    let server = Server::with(folder, config).await;
    let (greedy, _) = server.make_key(0, 1, u128::MAX).await;
    let (modest, _) = server.make_key(1, 1, u128::MAX).await;
    let mut long = chat("smollm2", "Count from one to a thousand in words.");
    (long["stream"], long["max_tokens"]) = (json!(true), json!(1500));
    let mut streams = Vec::new();
    let mut refused = Vec::new();
    for _ in 0..8 {
        let request = server.ask(Method::POST, "/v1/chat/completions", Some(&greedy)).json(&long);
        let response = request.send().await.unwrap();
        match response.status().as_u16() {
            200 => streams.push(response),
            status => {
                assert_eq!((status, response.headers().contains_key("retry-after")), (429, true));
                refused.push(response.json::<serde_json::Value>().await.unwrap());
            }
        }
    }
    assert!(streams.len() <= 5 && refused.len() >= 3, "{} are taken", streams.len());
    assert!(refused.iter().all(|body| body["error"]["message"].is_string()), "{refused:?}");
    let mut short = chat("smollm2", "Say yes.");
    short["max_tokens"] = json!(4);
    let (status, body) = server.post("/v1/chat/completions", Some(&modest), &short).await;
    assert_eq!(status, 200, "{body}");
    // It did not have to wait for any of the others.
    assert_eq!(body["refute"]["number"], 2);
    drop(streams);
    server.stop().await;
}

#[tokio::test]
async fn what_is_public_says_nothing_of_anybodys_requests() {
    let server = Server::new().await;
    let (key, _) = server.make_key(0, 1, u128::MAX).await;
    let (others, _) = server.make_key(1, 1, u128::MAX).await;
    let body = chat("echo", "my secret word");
    let (status, answer) = server.post("/v1/chat/completions", Some(&key), &body).await;
    assert_eq!(status, 200, "{answer}");
    let hash = answer["refute"]["request"].as_str().unwrap().trim_start_matches("0x");
    let (_, document) = server.get("/openapi.json").await;
    let paths = document["paths"].as_object().unwrap();
    let open = paths.iter().filter(|(_, methods)| methods["get"].is_object());
    let mut seen = 0;
    for (path, _) in open.filter(|(path, _)| !path.contains("{hash}")) {
        let path = path.replace("{name}", "echo");
        let response = server.ask(Method::GET, &path, Some(&others)).send().await.unwrap();
        let text = response.text().await.unwrap();
        for secret in ["secret word", hash, &key, key.trim_start_matches("rk-")] {
            assert!(!text.contains(secret), "{path} says {secret}: {text}");
        }
        seen += 1;
    }
    assert!(seen >= 6, "{seen} routes");
    // The name of a request is not found by trying: nothing but the whole of it is one.
    for near in [&hash[..62], &hash[..32]] {
        let (status, _) = server.get(&format!("/v1/refute/requests/{near}")).await;
        assert_eq!(status, 400);
    }
    // A key spends its own account alone.
    assert_eq!(server.service.book.account(1).unwrap().balance, 100);
    let before = server.service.book.account(0).unwrap().balance;
    assert_eq!(
        server.post("/v1/chat/completions", Some(&others), &chat("echo", &"x".repeat(90))).await.0,
        402
    );
    assert_eq!(server.service.book.account(0).unwrap().balance, before);
    server.stop().await;
}
