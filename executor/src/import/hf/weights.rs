//! The weights of a folder: one file, or several with an index.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};

use crate::import::error::ImportError;
use crate::import::files::malformed;
use crate::import::limits::{JSON_BYTES_MAX, TENSORS_MAX};
use crate::import::store::Assembly;

use super::folder::{Folder, is_plain};
use super::safetensors::{insert, parse};

const SINGLE: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";
/// Files of one model.
const SHARDS_MAX: usize = 1_024;

/// Opens every file of weights.
pub(super) fn open(folder: &mut Folder) -> Result<Assembly, ImportError> {
    if folder.has(SINGLE) {
        let bytes = folder.map(SINGLE)?;
        let found = parse(&folder.path.join(SINGLE), (*bytes).as_ref(), 0)?;
        return Ok(Assembly::new(vec![bytes], found));
    }
    let Some(index) = folder.read(INDEX, JSON_BYTES_MAX)? else {
        let hint = match folder.has("pytorch_model.bin") || folder.has("pytorch_model.bin.index.json") {
            true => {
                "; pytorch_model.bin is a pickle and never read: save the model with safe_serialization=True"
            }
            false => "; download the model's weights",
        };
        return Err(ImportError::Missing(format!("{SINGLE} or {INDEX} in {}{hint}", folder.path.display())));
    };
    let index_path = folder.path.join(INDEX);
    let (mut files, mut all) = (Vec::new(), BTreeMap::new());
    for (shard, names) in shards(&index_path, &index)? {
        if !folder.has(&shard) {
            return Err(ImportError::Missing(format!("{shard}, which {INDEX} names; download it")));
        }
        let bytes = folder.map(&shard)?;
        let path = folder.path.join(&shard);
        let found = parse(&path, (*bytes).as_ref(), files.len())?;
        if let Some(name) = names.iter().find(|name| !found.contains_key(*name)) {
            return Err(malformed(&path, format!("tensor {name} is not in it, but {INDEX} says so")));
        }
        for (name, tensor) in found {
            insert::<_, serde_json::Error>(&mut all, name, tensor)
                .map_err(|e| malformed(&path, format!("{e} among the files of this model")))?;
        }
        files.push(bytes);
    }
    Ok(Assembly::new(files, all))
}

/// The files that an index names, each with its tensors.
pub(super) fn shards(path: &Path, bytes: &[u8]) -> Result<BTreeMap<String, BTreeSet<String>>, ImportError> {
    let index: Index = serde_json::from_slice(bytes).map_err(|e| malformed(path, e.to_string()))?;
    let mut shards: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (tensor, file) in index.weight_map.0 {
        if !is_plain(&file) || !file.ends_with(".safetensors") {
            let shown: String = file.chars().take(64).collect();
            return Err(malformed(
                path,
                format!("it names the file {shown:?}; only .safetensors files beside it are read"),
            ));
        }
        shards.entry(file).or_default().insert(tensor);
    }
    match shards.len() {
        1..=SHARDS_MAX => Ok(shards),
        n => Err(malformed(path, format!("it names {n} files; 1 to {SHARDS_MAX} are accepted"))),
    }
}

#[derive(Deserialize)]
struct Index {
    weight_map: WeightMap,
}

/// File by tensor, of at most [`TENSORS_MAX`] tensors.
struct WeightMap(BTreeMap<String, String>);

impl<'de> Deserialize<'de> for WeightMap {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = WeightMap;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "an object of at most {TENSORS_MAX} tensors")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<WeightMap, A::Error> {
                let mut entries = BTreeMap::new();
                while let Some((tensor, file)) = map.next_entry::<String, String>()? {
                    insert(&mut entries, tensor, file)?;
                }
                Ok(WeightMap(entries))
            }
        }
        deserializer.deserialize_map(Entries)
    }
}
