//! What may stand between a service and its node, or be its node: something slow, broken, behind, or that says what is not so.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

/// What it does to every request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Lie {
    /// Nothing.
    #[default]
    None,
    /// It is so far away.
    Slow(Duration),
    /// No answer.
    Hang,
    /// Status 500.
    Error,
    /// Something that is no JSON.
    Garbage,
    /// It stands still at a block.
    Stale(u64),
    /// It is of another chain: another id, other blocks, no logs.
    OtherChain,
    /// Blocks without logs.
    NoLogs,
}

/// A way to a node on this machine.
pub(crate) struct Proxy {
    /// Where to ask.
    pub(crate) url: String,
    lie: Arc<Mutex<Lie>>,
    asked: Arc<AtomicU64>,
}

impl Proxy {
    /// In front of the node at a port.
    pub(crate) fn start(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (lie, asked) = <(Arc<Mutex<Lie>>, Arc<AtomicU64>)>::default();
        let (shared, count) = (Arc::clone(&lie), Arc::clone(&asked));
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                count.fetch_add(1, Ordering::Relaxed);
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || drop(pass(client, port, &shared)));
            }
        });
        Self { url, lie, asked }
    }

    /// From now on.
    pub(crate) fn lie(&self, lie: Lie) {
        *self.lie.lock().unwrap() = lie;
    }

    /// Requests that came.
    pub(crate) fn asked(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }
}

/// One request a connection: the answer says so.
fn pass(mut client: TcpStream, port: u16, lie: &Mutex<Lie>) -> std::io::Result<()> {
    let Some(body) = request(&mut client)? else { return Ok(()) };
    let lie = *lie.lock().unwrap();
    match lie {
        Lie::Hang => {
            std::thread::sleep(Duration::from_secs(2));
            return Ok(());
        }
        Lie::Error => return answer(&mut client, "500 Internal Server Error", b"oops"),
        Lie::Garbage => return answer(&mut client, "200 OK", b"<html>try later</html>"),
        Lie::Slow(time) => std::thread::sleep(time),
        _ => {}
    }
    let mut asked: Value = serde_json::from_slice(&body).unwrap();
    let method = asked["method"].as_str().unwrap_or_default().to_owned();
    let number = asked["params"][0].as_str().unwrap_or_default().to_owned();
    let id = asked["id"].clone();
    if let Lie::Stale(head) = lie
        && method == "eth_getBlockByNumber"
    {
        let wanted = number.strip_prefix("0x").and_then(|hex| u64::from_str_radix(hex, 16).ok());
        if wanted.is_some_and(|wanted| wanted > head) {
            let none = json!({"jsonrpc": "2.0", "id": id, "result": null});
            return answer(&mut client, "200 OK", none.to_string().as_bytes());
        }
        if wanted.is_none() {
            asked["params"][0] = json!(format!("{head:#x}"));
        }
    }
    let said = forward(port, asked.to_string().as_bytes())?;
    let mut said: Value = serde_json::from_slice(&said).unwrap_or(Value::Null);
    match (lie, method.as_str()) {
        (Lie::NoLogs | Lie::OtherChain, "eth_getLogs") => said["result"] = json!([]),
        (Lie::OtherChain, "eth_chainId") => said["result"] = json!("0x1"),
        (Lie::OtherChain, "eth_getBlockByNumber") if !said["result"].is_null() => {
            for field in ["hash", "parentHash"] {
                let hash = said["result"][field].as_str().unwrap().replace('0', "1").replacen("1x", "0x", 1);
                said["result"][field] = json!(hash);
            }
        }
        (Lie::OtherChain, "eth_call" | "eth_estimateGas" | "eth_sendRawTransaction") => {
            said = json!({"jsonrpc": "2.0", "id": id, "error": {"code": -32000, "message": "unknown block"}});
        }
        _ => {}
    }
    answer(&mut client, "200 OK", said.to_string().as_bytes())
}

/// The body of a request.
fn request(client: &mut TcpStream) -> std::io::Result<Option<Vec<u8>>> {
    let mut request = Vec::new();
    let mut piece = [0; 16_384];
    loop {
        let n = client.read(&mut piece)?;
        request.extend(&piece[..n]);
        let text = String::from_utf8_lossy(&request).to_lowercase();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .split_once("content-length:")
                .and_then(|(_, x)| x.split_whitespace().next()?.parse().ok())
                .unwrap_or(0);
            if body.len() >= length {
                return Ok(Some(request[request.len() - length..].to_vec()));
            }
        }
        if n == 0 {
            return Ok(None);
        }
    }
}

/// What the node says.
fn forward(port: u16, body: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut node = TcpStream::connect(("127.0.0.1", port))?;
    let head = "POST / HTTP/1.0\r\nhost: localhost\r\ncontent-type: application/json\r\nconnection: close";
    write!(node, "{head}\r\ncontent-length: {}\r\n\r\n", body.len())?;
    node.write_all(body)?;
    let mut said = Vec::new();
    node.read_to_end(&mut said)?;
    let at = said.windows(4).position(|x| x == b"\r\n\r\n").map_or(0, |at| at + 4);
    Ok(said[at..].to_vec())
}

fn answer(client: &mut TcpStream, status: &str, body: &[u8]) -> std::io::Result<()> {
    let head = "content-type: application/json\r\nconnection: close";
    write!(client, "HTTP/1.1 {status}\r\n{head}\r\ncontent-length: {}\r\n\r\n", body.len())?;
    client.write_all(body)
}
