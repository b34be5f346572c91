//! What operators and users do on L1 by hand, on a real node; and the whole of it: the demo.

use std::path::Path;

use alloy::primitives::B256;
use serde_json::json;
use tempfile::TempDir;

use crate::anvil::Anvil;
use crate::refute::{file, imported, keystore, refute};

fn with_wallet<'a>(url: &'a str, arguments: &[&'a str]) -> Vec<&'a str> {
    let wallet = ["--l1", url, "--keystore", "key.json", "--password-file", "password"];
    [arguments, &wallet].concat()
}

#[test]
fn a_rollup_is_deployed_announced_paid_into_and_looked_at() {
    let anvil = Anvil::start(&[]);
    let folder = imported("llama.gguf");
    let key = anvil.key(0);
    keystore(folder.path(), "key.json", &key);
    let run = |arguments: &[&str]| refute(folder.path(), &with_wallet(&anvil.url, arguments));

    file(&folder, "parameters.toml", "[games]\nwindow = 55\n[rollup]\nentry_fee = \"123\"\n");
    let deploy = ["rollup", "deploy", "--devnet", "--parameters", "parameters.toml", "--json"];
    let made = run(&deploy).ended(0).json();
    assert_eq!(made["parameters"]["games"]["window"], 55);
    assert_eq!(made["parameters"]["rollup"]["entry_fee"], "123");
    assert!(run(&deploy).ended(2).stderr.contains("deployment.json"), "nothing is overwritten");

    let prices = ["--price-in", "2000000000", "--price-out", "3000000000"];
    let announce = [&["rollup", "announce", "--model", "model", "--json"], &prices[..]].concat();
    let id = run(&announce).ended(0).json()["model"].as_str().unwrap().to_owned();
    let info = refute(folder.path(), &["model", "info", "model", "--json"]).ended(0).json();
    assert_eq!(info["model_id"], id.as_str(), "the id is that of the artefact");

    let paid = run(&["rollup", "deposit", "--amount", "0.25", "--json"]).ended(0).json();
    assert_eq!((&paid["account"], &paid["owner"]), (&0.into(), &json!(key.address())));
    run(&["rollup", "deposit", "--amount", "0.0001"]).ended(2);
    run(&["rollup", "bond", "--amount", "1"]).ended(0);

    let look = ["status", "--l1", &anvil.url, "--json"];
    let status = refute(folder.path(), &look).ended(0).json();
    assert_eq!((&status["head"], &status["confirmed"]), (&0.into(), &0.into()));
    assert_eq!((&status["inbox"]["entries"], &status["inbox"]["taken"]), (&1.into(), &0.into()));
    assert_eq!(status["sequencer_is_late"], false);

    // What one has put in can be taken out again, by its rules.
    let key_of_nobody = B256::repeat_byte(9).to_string();
    run(&["rollup", "exit", "--json"]).ended(1);
    assert!(run(&["rollup", "draw"]).ended(2).stderr.contains("0.000000000000000000 ether"));
    run(&["rollup", "withdraw", "--amount", "0.1"]).ended(2);
    run(&["rollup", "withdraw", "--amount", "0.1", "--force"]).ended(0);
    // A question that nobody can refuse, once the model's price and place on the list are in force.
    let question = ["rollup", "ask", "--model", "model", "--prompt", "a b", "--max-tokens", "3", "--json"];
    assert!(run(&question).ended(2).stderr.contains("not on the public list"));
    anvil.ask("evm_increaseTime", "[10]");
    anvil.ask("evm_mine", "[]");
    let asked = run(&question).ended(0).json();
    assert_eq!(asked["entry"], 2);
    let prompt = asked["prompt_tokens"].as_u64().unwrap();
    assert_eq!(asked["paid"], (123 + 2_000_000_000 * prompt + 3_000_000_000 * 3).to_string());
    let many = ["rollup", "ask", "--model", "model", "--prompt", "a", "--max-tokens", "9000"];
    assert!(run(&many).ended(2).stderr.contains("an entry takes 8192"));
    let status = refute(folder.path(), &look).ended(0).json();
    assert_eq!(status["inbox"]["entries"], 3, "the forced withdrawal and the question wait");
    let called = run(&["rollup", "unbond", "--json"]).ended(1).json();
    assert_eq!((&called["left"], &called["ether"]), (&false.into(), &"1.000000000000000000".into()));
    assert_eq!(run(&["rollup", "unbond", "--json"]).ended(1).json()["leaves"], called["leaves"]);
    let leaves = called["leaves"].as_u64().unwrap();
    anvil.ask("evm_setNextBlockTimestamp", &format!("[{leaves}]"));
    anvil.ask("evm_mine", "[]");
    assert_eq!(run(&["rollup", "unbond", "--json"]).ended(0).json()["left"], true);
    assert_eq!(run(&["rollup", "draw", "--json"]).ended(0).json()["ether"], "1.000000000000000000");
    run(&["rollup", "unbond"]).ended(2);

    // The owner's and the sequencer's decisions.
    run(&[&["rollup", "price", &id], &prices[..]].concat()).ended(0);
    run(&["rollup", "list", &id, "--off"]).ended(0);
    assert_ne!(run(&["rollup", "list", &key_of_nobody]).code, Some(0), "nobody has announced that");
    assert_ne!(run(&["rollup", "revoke", &key_of_nobody]).code, Some(0), "not its proposer");
    run(&["rollup", "hand-over", "0x0000000000000000000000000000000000000000"]).ended(2);
    let next = anvil.key(1).address().to_string();
    assert_eq!(
        run(&["rollup", "hand-over", &next, "--json"]).ended(0).json()["before"],
        json!(key.address())
    );
    assert_ne!(run(&["rollup", "hand-over", &next]).code, Some(0), "the place was given away");

    // A request that nobody made, and a file of another rollup.
    let nobody = B256::repeat_byte(7).to_string();
    refute(folder.path(), &["rollup", "proof", &nobody, "--l1", &anvil.url]).ended(2);
    let text = std::fs::read_to_string(folder.path().join("deployment.json")).unwrap();
    file(&folder, "other.json", text.replace("\"window\": 55", "\"window\": 56"));
    let other = refute(folder.path(), &["status", "--l1", &anvil.url, "--deployment", "other.json"]);
    assert!(other.stderr.contains("the window is 55, and the file says 56"), "{}", other.stderr);
    assert_ne!(other.code, Some(0));
    assert!(anvil.ask("eth_blockNumber", "[]").contains("0x"));
}

/// The real models, real processes, a real node. A proposer that changes a token loses to the challenger, one that changes
/// a root too, and the truth is final afterwards: the demo checks all of it itself.
#[test]
fn the_demo_ends_well() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let folder = TempDir::new().unwrap();
    let state = folder.path().join("state");
    let state = state.to_str().unwrap();
    let arguments =
        ["demo", "--folder", state, "--cheat", "wrong-token", "--cheat", "wrong-ledger", "--json"];
    let told = refute(&root, &arguments).ended(0).json();
    let proposer = if cfg!(feature = "torch") { "torch:cpu" } else { "native" };
    assert_eq!(
        (&told["proposer_backend"], &told["challenger_backend"]),
        (&proposer.into(), &"native".into()),
        "{told}"
    );
    let (token, ledger) = (&told["refuted"][0], &told["refuted"][1]);
    assert_eq!((&token["cheat"], &ledger["cheat"]), (&"wrong-token".into(), &"wrong-ledger".into()));
    assert!(token["rounds"].as_u64().unwrap() >= 3, "{told}");
    for lie in [token, ledger] {
        assert!(lie["proposer_wei"].as_str().unwrap().starts_with('-'), "the stake is lost: {told}");
        assert!(!lie["challenger_wei"].as_str().unwrap().starts_with('-'), "the challenger has won: {told}");
    }
    assert!(token["agent_wei"].as_str().unwrap().parse::<i128>().unwrap() > 0, "the receipt is paid: {told}");
}
