//! A user who asks L1 alone: a forced withdrawal and a question reach a sequencer through the inbox, and become final.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::anvil::Anvil;
use crate::refute::{Run, file, imported, keystore, refute};

/// The user's account with ether on the development chain, and the sequencer's.
const USER: usize = 0;
const SEQUENCER: usize = 1;

/// A service that ends with the test.
struct Service(Child);

impl Drop for Service {
    fn drop(&mut self) {
        self.0.kill().and_then(|()| self.0.wait().map(drop)).ok();
    }
}

struct Rollup {
    anvil: Anvil,
    folder: TempDir,
}

impl Rollup {
    fn with(&self, key: &str, arguments: &[&str]) -> Run {
        let wallet = ["--l1", &self.anvil.url, "--keystore", key, "--password-file", "password"];
        refute(self.folder.path(), &[arguments, &wallet, &["--json"]].concat())
    }

    fn user(&self, arguments: &[&str]) -> Run {
        self.with("user.json", arguments)
    }

    fn status(&self) -> Value {
        refute(self.folder.path(), &["status", "--l1", &self.anvil.url, "--json"]).ended(0).json()
    }

    fn wait(&self, what: &str, mut is_it: impl FnMut(&Value) -> bool) -> Value {
        let end = Instant::now() + Duration::from_secs(120);
        loop {
            let status = self.status();
            if is_it(&status) {
                return status;
            }
            let log = std::fs::read_to_string(self.folder.path().join("sequencer.log")).unwrap_or_default();
            assert!(Instant::now() < end, "{what}: {status}\n{log}");
            std::thread::sleep(Duration::from_millis(250));
        }
    }

    fn pass(&self, seconds: u64) {
        self.anvil.ask("evm_increaseTime", &format!("[{seconds}]"));
        self.anvil.ask("evm_mine", "[]");
    }

    fn sequencer(&self) -> Service {
        let log = std::fs::File::create(self.folder.path().join("sequencer.log")).unwrap();
        let defender = self.anvil.key(2).address().to_string();
        let child = Command::new(env!("CARGO_BIN_EXE_refute"))
            .args(["sequencer", "--model", "model", "--listen", "127.0.0.1:0", "--l1", &self.anvil.url])
            .args(["--deployment", "deployment.json", "--keystore", "sequencer.json"])
            .args(["--password-file", "password"])
            .current_dir(self.folder.path())
            .env("REFUTE_SEQUENCER_CONFIRMATIONS", "1")
            .env("REFUTE_SEQUENCER_L1_POLL_MS", "100")
            .env("REFUTE_SEQUENCER_BATCH_SECONDS", "1")
            .env("REFUTE_SEQUENCER_DEFENDER", defender)
            .env_remove("RUST_LOG")
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        Service(child)
    }
}

fn rollup() -> Rollup {
    let rollup = Rollup { anvil: Anvil::start(&[]), folder: imported("llama.gguf") };
    let folder: &Path = rollup.folder.path();
    keystore(folder, "user.json", &rollup.anvil.key(USER));
    keystore(folder, "sequencer.json", &rollup.anvil.key(SEQUENCER));
    file(&rollup.folder, "parameters.toml", "[games]\nwindow = 55\n");
    let sequencer = rollup.anvil.key(SEQUENCER).address().to_string();
    let deploy =
        ["rollup", "deploy", "--devnet", "--parameters", "parameters.toml", "--sequencer", &sequencer];
    rollup.user(&deploy).ended(0);
    let announce =
        ["rollup", "announce", "--model", "model", "--price-in", "2000000000", "--price-out", "3000000000"];
    rollup.user(&announce).ended(0);
    rollup.pass(10);
    rollup
}

#[test]
fn what_was_forced_is_answered_and_paid_out() {
    let rollup = rollup();
    rollup.user(&["rollup", "deposit", "--amount", "0.25"]).ended(0);
    rollup.user(&["rollup", "withdraw", "--amount", "0.1", "--force"]).ended(0);
    let ask = ["rollup", "ask", "--model", "model", "--prompt", "a b", "--max-tokens", "3"];
    let asked = rollup.user(&ask).ended(0).json();
    let request = asked["request"].as_str().unwrap();
    rollup.user(&["rollup", "exit"]).ended(1);
    let proof = ["rollup", "proof", request, "--l1", &rollup.anvil.url, "--json"];
    refute(rollup.folder.path(), &proof).ended(2);

    let _sequencer = rollup.sequencer();
    let status = rollup.wait("everything is taken and posted", |status| {
        status["inbox"]["entries"] == status["inbox"]["taken"]
            && !status["pending"].as_array().unwrap().is_empty()
    });
    let found = refute(rollup.folder.path(), &proof).ended(1).json();
    assert_eq!(found["final"], false, "{found}");
    assert!((1..=3).contains(&found["output_length"].as_u64().unwrap()), "{found}");
    let waits = rollup.user(&["rollup", "exit"]).ended(1).json();
    assert_eq!(waits["paid"], "0.000000000000000000", "{waits}");

    // A lost key of the defender.
    let assertion = status["pending"][0]["assertion"].as_str().unwrap();
    let revoke = ["rollup", "revoke", assertion];
    assert_ne!(rollup.user(&revoke).code, Some(0), "the user has not posted it");
    assert_eq!(rollup.with("sequencer.json", &revoke).ended(0).json()["revoked"], true);

    rollup.pass(60);
    rollup.wait("everything is final", |status| status["pending"].as_array().unwrap().is_empty());
    let found = refute(rollup.folder.path(), &proof).ended(0).json();
    assert_eq!(found["final"], true, "{found}");
    let paid = rollup.user(&["rollup", "exit"]).ended(0).json();
    let steps = paid["steps"].as_array().unwrap();
    assert!(
        steps.iter().any(|x| x["kind"] == "withdrawal" && x["ether"] == "0.100000000000000000"),
        "{paid}"
    );
    assert_eq!(rollup.user(&["rollup", "draw"]).ended(0).json()["ether"], paid["paid"]);
    rollup.user(&["rollup", "exit"]).ended(1);
}
