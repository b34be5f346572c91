//! `refute keystore`

use std::path::PathBuf;
use std::process::ExitCode;

use alloy::signers::local::PrivateKeySigner;
use anyhow::Context;
use clap::Args;
use serde_json::json;

use crate::console::Console;
use crate::failure::bad_input;
use crate::prompt::read_text;

#[derive(Args)]
pub(crate) struct Arguments {
    /// The file to make
    file: PathBuf,
    /// File with the password that will open it
    #[arg(long, value_name = "FILE")]
    password_file: PathBuf,
}

pub(crate) fn run(arguments: &Arguments, console: &Console) -> anyhow::Result<ExitCode> {
    let file = &arguments.file;
    if file.exists() {
        return Err(bad_input(format!("{} is there already: name another file", file.display())));
    }
    let password = read_text(&arguments.password_file)?;
    let folder = file.parent().filter(|f| !f.as_os_str().is_empty()).unwrap_or(".".as_ref());
    let name = file.file_name().and_then(|name| name.to_str()).context("the file needs a name")?;
    let key = PrivateKeySigner::random();
    let password = password.trim_end_matches(['\n', '\r']);
    let made = PrivateKeySigner::encrypt_keystore(
        folder,
        &mut rand::thread_rng(),
        key.to_bytes(),
        password,
        Some(name),
    );
    made.with_context(|| format!("cannot write {}", file.display()))?;
    let document = json!({"address": key.address(), "keystore": file});
    console.show(&document, &format!("{} in {}", key.address(), file.display()))?;
    Ok(ExitCode::SUCCESS)
}
