//! A chain of its own for each test: anvil, from the project's tools.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use alloy::primitives::keccak256;
use alloy::signers::local::PrivateKeySigner;

/// Keys of anvil's first accounts: derived from its well-known test phrase.
const KEYS: [&str; 6] = [
    "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80",
    "59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d",
    "5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a",
    "7c852118294e51e653712a81e05800f419141751be58f605c371e15141b007a6",
    "47e179ec197488593b187f80a00eb0da91f1b9d0b13f8733639f19c30a34926a",
    "8b3a350cf5c34c9194ca85829a2df0ec3153be0318b5e2d3348e872092edffba",
];

/// A running node; it ends with the value.
pub(crate) struct Anvil {
    process: Child,
    /// Where it listens.
    pub(crate) port: u16,
    /// The same as a URL.
    pub(crate) url: String,
}

fn binary() -> PathBuf {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    let ours = root.join(".cache/tools/bin/anvil");
    // On a processor for which there is no locked one, the set-up says that it must be in the PATH.
    if ours.exists() { ours } else { PathBuf::from("anvil") }
}

impl Anvil {
    /// Starts one at a free port.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let mut process = Command::new(binary())
            .args(["--port", "0", "--slots-in-an-epoch", "1"])
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .expect("anvil starts: `make setup` installs it");
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let port = lines
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| line.split_once("Listening on 127.0.0.1:")?.1.trim().parse().ok())
            .expect("anvil says where it listens");
        // Its log must not fill the pipe.
        std::thread::spawn(move || lines.for_each(drop));
        Self { process, port, url: format!("http://127.0.0.1:{port}") }
    }

    /// The key of an account: the first few have ether.
    pub(crate) fn key(&self, i: usize) -> PrivateKeySigner {
        KEYS.get(i).map_or_else(
            || PrivateKeySigner::from_bytes(&keccak256(i.to_be_bytes())).unwrap(),
            |key| key.parse().unwrap(),
        )
    }

    /// Gives an account ether.
    pub(crate) fn fund(&self, account: alloy::primitives::Address, ether: u64) {
        let wei = u128::from(ether) * 1_000_000_000_000_000_000;
        self.ask("anvil_setBalance", &format!("[\"{account}\",\"{wei:#x}\"]"));
    }

    /// A JSON-RPC call; panics on an error.
    pub(crate) fn ask(&self, method: &str, params: &str) -> String {
        let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{params}}}"#);
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        let head =
            "POST / HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\nconnection: close";
        write!(stream, "{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.contains("\"result\""), "{method}: {answer}");
        answer
    }
}

impl Drop for Anvil {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
