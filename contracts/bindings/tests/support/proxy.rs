//! What stands between us and a node: something that hangs, fails, loses answers and makes them up.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What happens to a request, now and then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// No answer for longer than anybody waits.
    Hang,
    /// Status 500.
    Error,
    /// The node gets it, and its answer is lost.
    LoseAnswer,
    /// Something that is no JSON.
    Garbage,
}

/// A way to a node on this machine.
pub(crate) struct Proxy {
    /// Where to ask.
    pub(crate) url: String,
    faults: Arc<Mutex<Vec<Fault>>>,
}

impl Proxy {
    /// In front of the node at a port. Each request has one of the faults with a probability of one third.
    pub(crate) fn start(port: u16, seed: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let faults: Arc<Mutex<Vec<Fault>>> = Arc::default();
        let shared = Arc::clone(&faults);
        std::thread::spawn(move || {
            let mut dice = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
            for client in listener.incoming().map_while(Result::ok) {
                dice ^= dice << 13;
                dice ^= dice >> 7;
                dice ^= dice << 17;
                let faults = shared.lock().unwrap();
                let fault = faults.get(dice as usize % (3 * faults.len()).max(1)).copied();
                drop(faults);
                std::thread::spawn(move || drop(pass(client, port, fault)));
            }
        });
        Self { url, faults }
    }

    /// Which faults happen from now on.
    pub(crate) fn faults(&self, faults: &[Fault]) {
        *self.faults.lock().unwrap() = faults.to_vec();
    }
}

/// One request a connection: the answer says so.
fn pass(mut client: TcpStream, port: u16, fault: Option<Fault>) -> std::io::Result<()> {
    let mut request = Vec::new();
    let mut piece = [0; 4096];
    let body = loop {
        let n = client.read(&mut piece)?;
        request.extend(&piece[..n]);
        let text = String::from_utf8_lossy(&request).to_lowercase();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .split_once("content-length:")
                .and_then(|(_, x)| x.split_whitespace().next()?.parse().ok());
            if body.len() >= length.unwrap_or(0) {
                break request[request.len() - length.unwrap_or(0)..].to_vec();
            }
        }
        if n == 0 {
            return Ok(());
        }
    };
    match fault {
        Some(Fault::Hang) => {
            std::thread::sleep(Duration::from_secs(2));
            return Ok(());
        }
        Some(Fault::Error) => return answer(&mut client, "500 Internal Server Error", b"oops"),
        Some(Fault::Garbage) => return answer(&mut client, "200 OK", b"<html>try later</html>"),
        Some(Fault::LoseAnswer) | None => {}
    }
    let mut node = TcpStream::connect(("127.0.0.1", port))?;
    let head = "POST / HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\nconnection: close";
    write!(node, "{head}\r\ncontent-length: {}\r\n\r\n", body.len())?;
    node.write_all(&body)?;
    let mut said = Vec::new();
    node.read_to_end(&mut said)?;
    if fault == Some(Fault::LoseAnswer) {
        return Ok(());
    }
    client.write_all(&said)
}

fn answer(client: &mut TcpStream, status: &str, body: &[u8]) -> std::io::Result<()> {
    write!(client, "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len())?;
    client.write_all(body)
}
