//! What the posting half tells the rest: whether receipts may be given, and until when they may promise.

/// docs/rollup.md, 12, last paragraphs.
pub trait Posting: Send + Sync {
    /// The latest second at which an item that is numbered now will be posted; or why no receipt may be given now.
    fn deadline(&self, now: u64) -> Result<u64, String>;
    /// Are batches posted to L1 at all.
    fn posts(&self) -> bool;
}

/// Nothing is posted. Receipts are made as always, and no bond stands behind them.
#[derive(Clone, Copy, Debug)]
pub struct NotPosting {
    /// Seconds that a receipt allows.
    pub promise: u64,
}

impl Posting for NotPosting {
    fn deadline(&self, now: u64) -> Result<u64, String> {
        Ok(now.saturating_add(self.promise))
    }

    fn posts(&self) -> bool {
        false
    }
}
