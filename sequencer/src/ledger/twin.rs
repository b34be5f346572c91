//! Signed steps, judged by `bisection::ledger` before anybody has signed them: whoever is due is taken to have.

use bisection::ledger::{Address, Before, Body, Inference, Invalid, step};

use super::{Account, Delegation, Domain, Hash, Rules, Withdrawal};

/// In the place of a signature that is made or was checked elsewhere.
const SIGNED: [u8; 64] = {
    let mut signature = [0; 64];
    signature[63] = 1;
    signature
};

/// What the ledger reads of an inference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InferenceStep {
    /// The request's nonce.
    pub nonce: u64,
    /// Which model.
    pub model: Hash,
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
        // u64 times u32, twice: below 2^97.
        u128::from(self.price_in) * u128::from(self.prompt_length)
            + u128::from(self.price_out) * u128::from(self.max_tokens)
    }
}

/// The rules of one deployment.
#[derive(Clone, Copy, Debug)]
pub struct Twin(pub Rules);

/// The parameters, of which signed steps read the domain only.
pub fn parameters(domain: Domain) -> Rules {
    Rules { domain, entry_fee: 0, expire: 0, slack: 0, force_delay: 0, forced_entries: 0 }
}

impl Twin {
    fn take(
        &self,
        account: &Account,
        delegation: Option<&Delegation>,
        body: &Body,
        time: u64,
        due: Address,
    ) -> Result<(Account, u128), Invalid> {
        let before = Before { accounts: u32::MAX, fees: 0, leaf: Some(account), delegation };
        let after = step(&self.0, before, body, time, &|_, _| Some(due))?;
        Ok((after.leaf.unwrap_or(*account), after.fees))
    }

    /// Op 3; `delegation` if its delegate signs. The account after it, and the fee.
    pub fn inference(
        &self,
        account: &Account,
        delegation: Option<&Delegation>,
        step: &InferenceStep,
        time: u64,
    ) -> Result<(Account, u128), Invalid> {
        let flags = if delegation.is_some() { Inference::DELEGATED } else { 0 };
        let call = Inference {
            flags,
            model: 0,
            account: account.index,
            nonce: step.nonce,
            prompt_length: step.prompt_length,
            output_length: step.output_length,
            max_tokens: step.max_tokens,
            max_fee: step.max_fee,
            valid_until: step.valid_until,
            signature: SIGNED,
        };
        let (request, item) = (Hash::default(), Hash::default());
        let (price_in, price_out, model) = (step.price_in, step.price_out, step.model);
        let body = Body::Inference { call, request, item, model, price_in, price_out };
        let due = delegation.map_or(account.owner, |d| d.delegate);
        self.take(account, delegation, &body, time, due)
    }

    /// Op 4. The account after it.
    pub fn withdraw(&self, account: &Account, order: &Withdrawal, time: u64) -> Result<Account, Invalid> {
        let body = Body::Withdrawal { order: *order, signature: SIGNED, request: Hash::default() };
        Ok(self.take(account, None, &body, time, account.owner)?.0)
    }

    /// Op 5. The account after it.
    pub fn delegate(&self, account: &Account, order: &Delegation, digest: Hash) -> Result<Account, Invalid> {
        let body = Body::Delegation { order: *order, signature: SIGNED, request: digest };
        Ok(self.take(account, None, &body, 0, account.owner)?.0)
    }
}
