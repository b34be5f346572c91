//! API keys. A key is the private key of a delegate: whoever has it can spend the delegation's cap, and nobody else
//! can, since the store has its address only. docs/rollup.md, 6.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use alloy::primitives::B256;
use alloy::signers::local::Secp256k1Signer;

/// What a key begins with.
pub const PREFIX: &str = "rk-";
/// Keys whose signers are kept.
const KEPT: usize = 10_000;

/// Signers of keys that were used: deriving a public key takes longer than answering.
#[derive(Default)]
pub struct Keys {
    kept: RwLock<HashMap<B256, Arc<Secp256k1Signer>>>,
}

impl Keys {
    /// The signer of a key, or `None` if the text is no key.
    pub fn signer(&self, text: &str) -> Option<Arc<Secp256k1Signer>> {
        let secret: B256 = text.strip_prefix(PREFIX).filter(|t| t.len() == 64)?.parse().ok()?;
        let kept = self.kept.read().unwrap_or_else(PoisonError::into_inner).get(&secret).cloned();
        kept.or_else(|| Secp256k1Signer::from_bytes(&secret).ok().map(Arc::new))
    }

    /// Remembers a signer that belongs to an account.
    pub fn keep(&self, signer: &Arc<Secp256k1Signer>) {
        let secret = signer.to_bytes();
        if self.kept.read().unwrap_or_else(PoisonError::into_inner).contains_key(&secret) {
            return;
        }
        let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT {
            kept.clear();
        }
        kept.insert(secret, Arc::clone(signer));
    }
}

/// The text of a key.
pub fn text(secret: &B256) -> String {
    format!("{PREFIX}{}", alloy::hex::encode(secret))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_keys_are_keys() {
        let keys = Keys::default();
        let secret = B256::repeat_byte(5);
        let signer = keys.signer(&text(&secret)).unwrap();
        keys.keep(&signer);
        assert_eq!(keys.signer(&text(&secret)).unwrap().address(), signer.address());
        let zero = text(&B256::ZERO);
        for wrong in ["", "rk-", "sk-0505", "rk-zz", &format!("{}0", text(&secret)), &zero] {
            assert!(keys.signer(wrong).is_none(), "{wrong}");
        }
    }
}
