//! How many requests a second the API carries without a model: a server that echoes, in a process of its own, with a
//! durable store and signed receipts, and clients with connections that stay open.
//!
//! `cargo run --release -p sequencer --example load -- [connections] [seconds] [postgres://...]`

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::client::conn::http1::handshake;
use hyper_util::rt::TokioIo;
use sequencer::config::{Config, ModelConfig};
use serde_json::json;
use tokio::net::TcpStream;

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let runtime = tokio::runtime::Runtime::new()?;
    if arguments.first().is_some_and(|a| a == "serve") {
        return runtime.block_on(serve(&arguments[1]));
    }
    let number = |i: usize, or: u64| arguments.get(i).map_or(Ok(or), |text| text.parse());
    let (connections, seconds) = (number(0, 64)?, number(1, 10)?);
    let folder = std::env::temp_dir().join(format!("refute-load-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let store = format!("sqlite:{}", folder.join("store.db").display());
    let store = arguments.get(2).cloned().unwrap_or(store);
    let mut server =
        Command::new(std::env::current_exe()?).args(["serve", &store]).stdout(Stdio::piped()).spawn()?;
    let out = server.stdout.take().ok_or("no output")?;
    let mut lines = BufReader::new(out).lines();
    let mut line = || lines.next().unwrap_or_else(|| Err(std::io::Error::other("the server ended")));
    let (address, key) = (line()?, line()?);
    let outcome = runtime.block_on(load(&address, &key, connections, Duration::from_secs(seconds)));
    server.kill()?;
    server.wait()?;
    std::fs::remove_dir_all(&folder)?;
    println!("{}", outcome?);
    Ok(())
}

async fn serve(store: &str) -> Result<(), Failure> {
    let model = |name: &str| ModelConfig {
        name: Some(name.into()),
        path: name.into(),
        price_in: 1,
        price_out: 2,
        threads: None,
        backend: Default::default(),
    };
    let config = Config {
        listen: "127.0.0.1:0".parse()?,
        store: store.into(),
        models: vec![model("echo")],
        dev: true,
        ..Config::default()
    };
    let signer = config.signer()?;
    let running = sequencer::start(config, signer).await?;
    println!("{}\n{}", running.address, running.dev_key.clone().unwrap_or_default());
    std::future::pending::<()>().await;
    Ok(())
}

/// Sends from all connections, one request after the other on each; the first second is not counted.
async fn load(
    address: &str,
    key: &str,
    connections: u64,
    time: Duration,
) -> Result<serde_json::Value, Failure> {
    let warm = Instant::now() + Duration::from_secs(1);
    let end = warm + time;
    let clients =
        (0..connections).map(|_| tokio::spawn(client(address.to_owned(), key.to_owned(), warm, end)));
    let clients: Vec<_> = clients.collect();
    let mut micros = Vec::new();
    for client in clients {
        micros.extend(client.await??);
    }
    micros.sort_unstable();
    let at = |share: f64| micros.get((micros.len() as f64 * share) as usize).map(|m| f64::from(*m) / 1000.0);
    Ok(json!({
        "requests_per_s": (micros.len() as f64 / time.as_secs_f64()).round(), "requests": micros.len(),
        "connections": connections, "seconds": time.as_secs(),
        "p50_ms": at(0.5), "p99_ms": at(0.99), "p999_ms": at(0.999), "most_ms": at(0.999_999),
    }))
}

async fn client(address: String, key: String, warm: Instant, end: Instant) -> Result<Vec<u32>, Failure> {
    let stream = TcpStream::connect(&address).await?;
    stream.set_nodelay(true)?;
    let (mut sender, connection) = handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let body =
        json!({"model": "echo", "temperature": 0, "messages": [{"role": "user", "content": "How are you?"}]});
    let body = Bytes::from(body.to_string());
    let mut micros = Vec::new();
    loop {
        let begin = Instant::now();
        if begin >= end {
            return Ok(micros);
        }
        let request = Request::post("/v1/chat/completions")
            .header("host", &address)
            .header("content-type", "application/json")
            .header("authorization", format!("Bearer {key}"))
            .body(Full::new(body.clone()))?;
        let response = sender.send_request(request).await?;
        let status = response.status();
        let answer = response.into_body().collect().await?.to_bytes();
        if status != 200 {
            return Err(format!("{status}: {}", String::from_utf8_lossy(&answer)).into());
        }
        if begin >= warm {
            micros.push(begin.elapsed().as_micros() as u32);
        }
    }
}
