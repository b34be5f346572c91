//! Making a model known.

use alloy::primitives::{Address, B256, Bytes, U256};
use alloy::sol_types::SolCall;

use crate::l1::{SendError, Sender};
use crate::model_registry::ModelRegistry::{self, ModelHeader};

/// Announces a model, names its prices (wei a token, in force after the registry's delay) and puts it on the public list.
/// The sender owns the registry. `encoded` is the model's interface, whose hash the header has.
pub async fn announce(
    sender: &Sender,
    registry: Address,
    header: ModelHeader,
    encoded: Bytes,
    model: B256,
    (price_in, price_out): (u64, u64),
) -> Result<(), SendError> {
    let announce = ModelRegistry::announceCall { header, encoded };
    let schedule = ModelRegistry::scheduleCall { model, priceIn: price_in, priceOut: price_out };
    let list = ModelRegistry::listCall { model, listed: true };
    for call in [announce.abi_encode(), schedule.abi_encode(), list.abi_encode()] {
        sender.send(registry, call.into(), U256::ZERO).await?;
    }
    Ok(())
}
