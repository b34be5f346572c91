//! A chain on which time passes as it does on Ethereum, only faster: transactions wait for the next block together.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// Between two blocks, on this machine and on the chain.
const BLOCK: Duration = Duration::from_millis(250);
const SECONDS: u64 = 12;

/// Mines until it is dropped.
pub(crate) struct Ticking {
    stopped: Arc<AtomicBool>,
    paused: Arc<AtomicBool>,
    /// The base fee of the next blocks in wei; 0 is what the chain makes of it.
    base_fee: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

fn ask(port: u16, method: &str, params: &str) {
    let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{params}}}"#);
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else { return };
    let head = "POST / HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\nconnection: close";
    let mut answer = String::new();
    // At the end of a test the node may be gone before its clock.
    let _ = write!(stream, "{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    let _ = stream.read_to_string(&mut answer);
}

impl Ticking {
    pub(crate) fn new(port: u16) -> Self {
        let (stopped, paused, base_fee) = <(Arc<AtomicBool>, Arc<AtomicBool>, Arc<AtomicU64>)>::default();
        let (end, pause, fee) = (Arc::clone(&stopped), Arc::clone(&paused), Arc::clone(&base_fee));
        ask(port, "evm_setAutomine", "[false]");
        let thread = std::thread::spawn(move || {
            while !end.load(Ordering::Relaxed) {
                std::thread::sleep(BLOCK);
                if pause.load(Ordering::Relaxed) {
                    continue;
                }
                let wei = fee.load(Ordering::Relaxed);
                if wei > 0 {
                    ask(port, "anvil_setNextBlockBaseFeePerGas", &format!("[\"{wei:#x}\"]"));
                }
                ask(port, "evm_increaseTime", &format!("[{SECONDS}]"));
                ask(port, "evm_mine", "[]");
            }
            ask(port, "evm_setAutomine", "[true]");
        });
        Self { stopped, paused, base_fee, thread: Some(thread) }
    }

    /// No blocks, or blocks again.
    pub(crate) fn pause(&self, paused: bool) {
        self.paused.store(paused, Ordering::Relaxed);
        // A block may be under way.
        std::thread::sleep(BLOCK + BLOCK / 2);
    }

    /// What the next blocks want for a gas, in gwei.
    pub(crate) fn base_fee(&self, gwei: u64) {
        self.base_fee.store(gwei * 1_000_000_000, Ordering::Relaxed);
    }
}

impl Drop for Ticking {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
