//! Who is who on a chain of this machine.

use std::path::{Path, PathBuf};

use alloy::primitives::{Address, B256, b256};
use alloy::signers::local::PrivateKeySigner;
use anyhow::Context;

/// Keys of anvil's first accounts, which everybody knows: derived from its test phrase.
const KEYS: [B256; 5] = [
    b256!("0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"),
    b256!("0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d"),
    b256!("0x5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a"),
    b256!("0x7c852118294e51e653712a81e05800f419141751be58f605c371e15141b007a6"),
    b256!("0x47e179ec197488593b187f80a00eb0da91f1b9d0b13f8733639f19c30a34926a"),
];

/// A party.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Deploys, and owns the registry.
    Owner,
    /// The sequencer: proposes, and signs receipts.
    Sequencer,
    /// Watches and refutes.
    Challenger,
    /// Asks questions, and pays for answers.
    Agent,
    /// Answers for the sequencer in disputes.
    Defender,
}

impl Role {
    /// Everybody.
    pub(crate) const ALL: [Self; 5] =
        [Self::Owner, Self::Sequencer, Self::Challenger, Self::Agent, Self::Defender];

    /// As files and logs name it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Sequencer => "sequencer",
            Self::Challenger => "challenger",
            Self::Agent => "agent",
            Self::Defender => "defender",
        }
    }

    /// Its key.
    pub(crate) fn key(self) -> anyhow::Result<PrivateKeySigner> {
        PrivateKeySigner::from_bytes(&KEYS[self as usize]).context("a key of the development chain")
    }

    /// Its address.
    pub(crate) fn address(self) -> anyhow::Result<Address> {
        Ok(self.key()?.address())
    }
}

/// The file with the password of all keystores of a folder.
pub(crate) fn password_file(folder: &Path) -> PathBuf {
    folder.join("password")
}

/// A role's keystore in a folder.
pub(crate) fn keystore(folder: &Path, role: Role) -> PathBuf {
    folder.join(format!("{}.key.json", role.name()))
}

/// Writes everybody's keystore: services are started as operators start them.
pub(crate) fn write_all(folder: &Path) -> anyhow::Result<()> {
    let password = "devnet";
    std::fs::write(password_file(folder), password)?;
    for role in Role::ALL {
        let name = format!("{}.key.json", role.name());
        let key = role.key()?.to_bytes();
        PrivateKeySigner::encrypt_keystore(folder, &mut rand::thread_rng(), key, password, Some(&name))
            .with_context(|| format!("cannot write {name}"))?;
    }
    Ok(())
}
