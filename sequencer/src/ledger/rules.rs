//! What a step does to one account.

use alloy::primitives::{B256, U256};

use super::{Account, Delegation};

/// A signed step that cannot be taken: the message says what the signer can do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// Used, or too far from the others.
    #[error("this nonce is used, or too far from the account's next one")]
    Nonce,
    /// Too late.
    #[error("the request is no longer valid at this time")]
    Expired,
    /// The signer allows less than it costs.
    #[error("the request costs more than its maximum fee")]
    MaxFee,
    /// The account has less than it costs.
    #[error("the account's balance is less than this costs")]
    Balance,
    /// Not the delegation that is in force.
    #[error("the delegation is not, or no longer, in force")]
    Delegation,
    /// The delegation's end.
    #[error("the delegation has expired")]
    DelegationExpired,
    /// The delegation is for another model, or for lower prices.
    #[error("the delegation does not allow this model at its price")]
    DelegationScope,
    /// The delegation's cap.
    #[error("the delegation's cap is reached")]
    Cap,
}

/// What the ledger reads of an inference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InferenceStep {
    /// The request's nonce.
    pub nonce: u64,
    /// Which model.
    pub model: B256,
    /// Its price for a prompt token.
    pub price_in: u64,
    /// Its price for an output token.
    pub price_out: u64,
    /// Tokens of the prompt.
    pub prompt_length: u32,
    /// Tokens of the output, or elements of the vector.
    pub output_length: u32,
    /// Most tokens of the output; 0 for a vector.
    pub max_tokens: u32,
    /// The signer's maximum.
    pub max_fee: u128,
    /// Last second at which it may be executed.
    pub valid_until: u64,
}

impl InferenceStep {
    /// The most that it can cost.
    pub fn limit(&self) -> u128 {
        self.cost(self.max_tokens)
    }

    fn cost(&self, outputs: u32) -> u128 {
        // u64 times u32, twice: below 2^97.
        u128::from(self.price_in) * u128::from(self.prompt_length)
            + u128::from(self.price_out) * u128::from(outputs)
    }
}

/// The rules of the ledger, as far as a sequencer must foresee them. Signatures are checked by who asks.
pub trait Rules: Send + Sync {
    /// Marks a nonce as used.
    fn use_nonce(&self, account: &mut Account, nonce: u64) -> Result<(), Invalid>;
    /// Op 3; `delegation` if a delegate has signed. Gives the fee. After an error the account is as it was.
    fn inference(
        &self,
        account: &mut Account,
        delegation: Option<(&Delegation, B256)>,
        step: &InferenceStep,
        time: u64,
    ) -> Result<u128, Invalid>;
    /// Op 5: `digest` is the delegation's.
    fn delegate(&self, account: &mut Account, delegation: &Delegation, digest: B256) -> Result<(), Invalid>;
}

/// docs/rollup.md, 10.1, for signed steps.
#[derive(Clone, Copy, Debug, Default)]
pub struct Interim;

impl Rules for Interim {
    fn use_nonce(&self, account: &mut Account, nonce: u64) -> Result<(), Invalid> {
        if nonce >= account.next {
            let gap = (nonce - account.next).checked_add(1).ok_or(Invalid::Nonce)?;
            let next = nonce.checked_add(1).ok_or(Invalid::Nonce)?;
            if gap > 1 << 32 {
                return Err(Invalid::Nonce);
            }
            let moved = if gap >= 256 { U256::ZERO } else { account.used << (gap as usize) };
            (account.used, account.next) = (moved | U256::ONE, next);
            return Ok(());
        }
        let k = account.next - 1 - nonce;
        if k >= 256 || account.used.bit(k as usize) {
            return Err(Invalid::Nonce);
        }
        account.used.set_bit(k as usize, true);
        Ok(())
    }

    fn inference(
        &self,
        account: &mut Account,
        delegation: Option<(&Delegation, B256)>,
        step: &InferenceStep,
        time: u64,
    ) -> Result<u128, Invalid> {
        let mut after = *account;
        if step.valid_until < time {
            return Err(Invalid::Expired);
        }
        self.use_nonce(&mut after, step.nonce)?;
        let limit = step.limit();
        if limit > step.max_fee {
            return Err(Invalid::MaxFee);
        }
        if limit > after.balance {
            return Err(Invalid::Balance);
        }
        let fee = step.cost(step.output_length.min(step.max_tokens));
        if let Some((terms, digest)) = delegation {
            if account.delegation != digest || terms.account != account.index {
                return Err(Invalid::Delegation);
            }
            if terms.expiry < time {
                return Err(Invalid::DelegationExpired);
            }
            let model = terms.model.is_zero() || terms.model == step.model;
            if !(model && step.price_in <= terms.maxPriceIn && step.price_out <= terms.maxPriceOut) {
                return Err(Invalid::DelegationScope);
            }
            if after.spent.checked_add(limit).is_none_or(|sum| sum > terms.cap) {
                return Err(Invalid::Cap);
            }
            after.spent += fee;
        }
        after.balance -= fee;
        *account = after;
        Ok(fee)
    }

    fn delegate(&self, account: &mut Account, delegation: &Delegation, digest: B256) -> Result<(), Invalid> {
        if delegation.nonce <= account.delegation_nonce {
            return Err(Invalid::Nonce);
        }
        (account.delegation_nonce, account.delegation, account.spent) = (delegation.nonce, digest, 0);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nonces_are_a_window() {
        let mut account = Account::default();
        let mut take = |n| Interim.use_nonce(&mut account, n);
        assert_eq!([take(0), take(2), take(1)], [Ok(()); 3]);
        assert_eq!([take(0), take(1), take(2)], [Err(Invalid::Nonce); 3]);
        assert_eq!(take(300), Ok(()));
        assert_eq!((take(44), take(45), take(45)), (Err(Invalid::Nonce), Ok(()), Err(Invalid::Nonce)));
        assert_eq!(take(301 + (1 << 32)), Err(Invalid::Nonce));
        assert_eq!(take(u64::MAX), Err(Invalid::Nonce));
        assert_eq!(take(300 + (1 << 32)), Ok(()));
    }

    #[test]
    fn a_fee_is_for_what_came_and_a_limit_for_what_may_come() {
        let step = InferenceStep {
            nonce: 0,
            model: B256::ZERO,
            price_in: 2,
            price_out: 3,
            prompt_length: 10,
            output_length: 4,
            max_tokens: 20,
            max_fee: 80,
            valid_until: 5,
        };
        let mut account = Account { balance: 80, ..Account::default() };
        let mut poor = Account { balance: 79, ..Account::default() };
        assert_eq!(Interim.inference(&mut poor, None, &step, 5), Err(Invalid::Balance));
        assert_eq!(poor, Account { balance: 79, ..Account::default() });
        assert_eq!(Interim.inference(&mut account, None, &step, 6), Err(Invalid::Expired));
        let cheap = InferenceStep { max_fee: 79, ..step };
        assert_eq!(Interim.inference(&mut account, None, &cheap, 5), Err(Invalid::MaxFee));
        assert_eq!(Interim.inference(&mut account, None, &step, 5), Ok(32));
        assert_eq!((account.balance, account.next), (48, 1));
    }
}
