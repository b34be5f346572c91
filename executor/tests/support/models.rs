//! Where tests find the models that are downloaded instead of checked in.

use std::path::PathBuf;

/// The downloaded file or folder of a model: `smollm2` or `minilm`. A test without its model fails.
pub(crate) fn model_source(name: &str) -> PathBuf {
    let file = match name {
        "smollm2" => "SmolLM2-135M-Instruct.Q4_1.gguf",
        "minilm" => "all-MiniLM-L6-v2",
        other => panic!("no model {other:?} is downloaded for tests"),
    };
    let cache = std::env::var_os("REFUTE_CACHE").map(PathBuf::from).unwrap_or_else(|| {
        let home = std::env::var_os("HOME").expect("set HOME or REFUTE_CACHE");
        PathBuf::from(home).join(".cache/refute")
    });
    let path = cache.join("sources").join(file);
    assert!(path.exists(), "{} is not there: run `make setup`", path.display());
    path
}
