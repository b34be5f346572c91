//! The published model that an artefact was made from, and the note that finds it again.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use bisection::Hash;
use executor::import::source::SourceModel;
use executor::import::{gguf, hf, pt2};
use executor::model::{ARTEFACT, Model};
use serde::{Deserialize, Serialize};

use crate::failure::bad_input;

/// Name of the note beside an artefact. It belongs to this machine, not to the artefact.
const NOTE: &str = "source.json";

/// Where the source was when it was imported.
#[derive(Serialize, Deserialize)]
struct Note {
    path: PathBuf,
    digest: Hash,
}

/// Opens a GGUF file, a program that PyTorch exported, or a Hugging Face folder.
pub(crate) fn open(path: &Path) -> anyhow::Result<SourceModel> {
    if path.is_dir() {
        return Ok(hf::open(path)?);
    }
    let shown = path.display();
    let mut magic = Vec::new();
    let mut file = File::open(path).map_err(|e| {
        bad_input(format!("cannot read {shown}: {e}; name a GGUF file, a .pt2 file or a Hugging Face folder"))
    })?;
    let read = file.by_ref().take(4).read_to_end(&mut magic);
    read.map_err(|e| bad_input(format!("cannot read {shown}: {e}")))?;
    match magic.as_slice() {
        b"GGUF" => Ok(gguf::open(path)?),
        b"PK\x03\x04" => Ok(pt2::open(path)?),
        _ => Err(bad_input(format!(
            "{shown} is no GGUF file (it does not begin with `GGUF`) and no .pt2 file (`PK`): \
             name one of these, or the folder of a Hugging Face model"
        ))),
    }
}

/// Notes beside the artefact where its source is.
pub(crate) fn note(folder: &Path, path: &Path, source: &SourceModel) -> anyhow::Result<()> {
    let note = Note { path: std::path::absolute(path)?, digest: Hash(source.digest) };
    std::fs::write(folder.join(NOTE), serde_json::to_string(&note)? + "\n")?;
    Ok(())
}

/// Opens the source of a model: the given one, or the one noted at the import.
pub(crate) fn of_model(model: &Model, folder: &Path, given: Option<&Path>) -> anyhow::Result<SourceModel> {
    let path = match given {
        Some(path) => path.to_owned(),
        None => noted(folder)?,
    };
    let source = open(&path)?;
    let digest = Hash(source.digest);
    let expected = model.provenance().digest;
    if digest != expected {
        return Err(bad_input(format!(
            "{} is not what the model was imported from (digest {digest}, expected {expected}): \
             name the right source with --source",
            path.display()
        )));
    }
    Ok(source)
}

fn noted(folder: &Path) -> anyhow::Result<PathBuf> {
    let folder = if folder.ends_with(ARTEFACT) { folder.parent().unwrap_or(folder) } else { folder };
    let path = folder.join(NOTE);
    let missing = |e: &dyn std::fmt::Display| {
        bad_input(format!(
            "cannot tell where the model comes from ({}: {e}): name it with --source",
            path.display()
        ))
    };
    let bytes = std::fs::read(&path).map_err(|e| missing(&e))?;
    let note: Note = serde_json::from_slice(&bytes).map_err(|e| missing(&e))?;
    Ok(note.path)
}
