//! A node that answers, and not with what is.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

/// What it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lie {
    /// Another chain's number.
    Chain,
    /// The head as it was at this number.
    Head(u64),
    /// It has never heard of any receipt.
    Receipts,
}

/// A way to a node on this machine.
pub(crate) struct Liar {
    /// Where to ask.
    pub(crate) url: String,
    lie: Arc<Mutex<Option<Lie>>>,
}

impl Liar {
    /// In front of the node at a port; it begins with the truth.
    pub(crate) fn start(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let lie: Arc<Mutex<Option<Lie>>> = Arc::default();
        let shared = Arc::clone(&lie);
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let lie = *shared.lock().unwrap();
                std::thread::spawn(move || drop(pass(client, port, lie)));
            }
        });
        Self { url, lie }
    }

    /// What it says from now on; `None` is the truth.
    pub(crate) fn tell(&self, lie: Option<Lie>) {
        *self.lie.lock().unwrap() = lie;
    }
}

/// One request a connection.
fn pass(mut client: TcpStream, port: u16, lie: Option<Lie>) -> std::io::Result<()> {
    let (mut bytes, mut piece) = (Vec::new(), [0; 4096]);
    let mut request: Value = loop {
        let n = client.read(&mut piece)?;
        bytes.extend(&piece[..n]);
        let body = bytes.windows(4).position(|w| w == b"\r\n\r\n").map(|at| &bytes[at + 4..]);
        match body.and_then(|body| serde_json::from_slice(body).ok()) {
            Some(request) => break request,
            None if n == 0 => return Ok(()),
            None => {}
        }
    };
    let made_up = lie.and_then(|lie| bend(lie, &mut request));
    let body = match &made_up {
        Some(result) => json!({"jsonrpc": "2.0", "id": request["id"], "result": result}).to_string(),
        None => request.to_string(),
    };
    let json = "content-type: application/json\r\nconnection: close";
    if made_up.is_some() {
        write!(client, "HTTP/1.1 200 OK\r\n{json}\r\ncontent-length: {}\r\n\r\n{body}", body.len())?;
        return Ok(());
    }
    let mut node = TcpStream::connect(("127.0.0.1", port))?;
    let head = format!("POST / HTTP/1.1\r\nhost: localhost\r\n{json}");
    write!(node, "{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len())?;
    std::io::copy(&mut node, &mut client)?;
    Ok(())
}

/// The answer that is made up; or the question becomes another one.
fn bend(lie: Lie, request: &mut Value) -> Option<Value> {
    let method = request["method"].as_str().unwrap_or_default().to_owned();
    match (lie, method.as_str()) {
        (Lie::Chain, "eth_chainId") => Some(json!("0x1")),
        (Lie::Receipts, "eth_getTransactionReceipt") => Some(Value::Null),
        (Lie::Head(head), "eth_blockNumber") => Some(json!(format!("{head:#x}"))),
        (Lie::Head(head), "eth_getBlockByNumber") => {
            let asked = request["params"][0].as_str().unwrap_or_default().to_owned();
            let number = asked.strip_prefix("0x").and_then(|hex| u64::from_str_radix(hex, 16).ok());
            if number.is_some_and(|number| number > head) {
                return Some(Value::Null);
            }
            if number.is_none() {
                request["params"][0] = json!(format!("{head:#x}"));
            }
            None
        }
        _ => None,
    }
}
