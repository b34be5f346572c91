//! Settings of services, and their keys.

use std::process::Command;

use serde_json::Value;

use crate::refute::{file, refute};

#[test]
fn flags_go_over_the_environment_over_the_file_over_defaults() {
    let folder = tempfile::tempdir().unwrap();
    file(
        &folder,
        "s.toml",
        "listen = \"127.0.0.1:1\"\nstore = \"sqlite:file\"\nepoch = 7\nmodels = [{ path = \"echo\" }]\n",
    );
    let arguments =
        ["sequencer", "--config", "s.toml", "--listen", "127.0.0.1:3", "--print-config", "--json"];
    let run = Command::new(env!("CARGO_BIN_EXE_refute"))
        .args(arguments)
        .current_dir(folder.path())
        .env("REFUTE_SEQUENCER_LISTEN", "127.0.0.1:2")
        .env("REFUTE_SEQUENCER_STORE", "sqlite:environment")
        .env("REFUTE_SEQUENCER_BACKEND", "torch:cuda:1")
        .output()
        .unwrap();
    let settings: Value = serde_json::from_slice(&run.stdout).unwrap();
    assert_eq!(settings["listen"], "127.0.0.1:3");
    assert_eq!(settings["store"], "sqlite:environment");
    assert_eq!((&settings["epoch"], &settings["chain_id"]), (&7.into(), &31_337.into()));
    assert_eq!(settings["models"][0]["path"], "echo");
    assert_eq!(settings["backend"], "torch:cuda:1");
}

#[test]
fn settings_that_cannot_be_used() {
    let folder = tempfile::tempdir().unwrap();
    file(&folder, "typo.toml", "lisen = \"127.0.0.1:1\"\n");
    file(&folder, "password", "right\n");
    file(&folder, "wrong", "wrong\n");
    let refused = |arguments: &[&str], word: &str| {
        let run = refute(folder.path(), &[&["sequencer"], arguments].concat()).ended(2);
        assert!(run.stderr.contains(word), "{arguments:?} should say {word:?}: {}", run.stderr);
    };
    refused(&[], "--model");
    refused(&["--model", "echo"], "--keystore");
    refused(&["--config", "none.toml"], "none.toml");
    refused(&["--config", "typo.toml", "--dev"], "lisen");
    refused(&["--dev", "--listen", "0.0.0.0:0"], "127.0.0.1");
    refused(&["--dev", "--backend", "abacus"], "native, reference, torch");
    refused(&["--dev", "--listen", "127.0.0.1:0", "--model", "no-such-folder"], "no-such-folder");

    let made =
        refute(folder.path(), &["keystore", "key.json", "--password-file", "password", "--json"]).ended(0);
    assert!(made.json()["address"].as_str().unwrap().starts_with("0x"));
    refute(folder.path(), &["keystore", "key.json", "--password-file", "password"]).ended(2);
    let with = |password| ["--model", "echo", "--keystore", "key.json", "--password-file", password];
    refused(&with("wrong"), "key.json");
    refused(&with("absent"), "absent");
}
