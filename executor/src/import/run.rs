//! A whole import: description, graph, pilot, lowering, artefact.

use std::fs;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use bisection::{Hash, keccak256};

use super::error::ImportError;
use super::graph::{Graph, Head, Operation};
use super::lower::{Lowered, Options, lower};
use super::pilot;
use super::source::SourceModel;
use super::weights::Precision;
use crate::artefact::{Contents, Provenance, StepLabel, write};
use crate::engine::Engine;
use crate::model::{ARTEFACT, Model};
use crate::program::{ConstantInfo, Interface, NodeId, Program, validate};
use crate::tokenizer::Tokenizer;
use crate::tokenizer::chat::{ChatTemplate, Message};

/// Makes the back end of the pilot run. Every back end gives the same formats; a fast one gives them sooner.
pub type EngineFactory<'a> = &'a dyn Fn(Model) -> Result<Box<dyn Engine>, ImportError>;

/// Says which part of an import has begun.
pub type Progress<'a> = &'a mut dyn FnMut(&str);

/// Imports a model into an artefact's bytes.
pub fn import(
    source: &SourceModel,
    options: Options,
    engine: EngineFactory<'_>,
    progress: Progress<'_>,
) -> Result<Vec<u8>, ImportError> {
    supported(source)?;
    let graph = source.graph();
    progress("quantising weights for the pilot run");
    let fractions = vec![pilot::PILOT_FRACTION; graph.formats.len()];
    let (bytes, steps) = build(source, &graph, options, &fractions)?;
    progress("choosing number formats in the pilot run");
    let model = Model::from_bytes(&bytes)
        .map_err(|e| ImportError::Refused { node: "pilot run".into(), reason: e.to_string() })?;
    drop(bytes);
    let inputs = pilot_inputs(source, &graph)?;
    let fractions = pilot::run(engine(model)?.as_mut(), &graph, &steps, &inputs)?;
    progress("quantising weights");
    let (bytes, _) = build(source, &graph, options, &fractions)?;
    Ok(bytes)
}

/// Imports into a folder, which is made if need be. Returns the artefact's path.
pub fn import_into(
    source: &SourceModel,
    options: Options,
    engine: EngineFactory<'_>,
    folder: &Path,
    progress: Progress<'_>,
) -> Result<PathBuf, ImportError> {
    let bytes = import(source, options, engine, progress)?;
    progress("writing the artefact");
    let path = folder.join(ARTEFACT);
    let io = |source| ImportError::Io { path: path.clone(), source };
    fs::create_dir_all(folder).map_err(io)?;
    // Written beside and renamed, so that an interrupted import leaves no half model.
    let partial = folder.join(format!("{ARTEFACT}.partial"));
    fs::write(&partial, bytes).map_err(io)?;
    fs::rename(&partial, &path).map_err(io)?;
    Ok(path)
}

/// What a reader can describe but a program cannot express.
fn supported(source: &SourceModel) -> Result<(), ImportError> {
    let c = &source.config;
    let partial =
        |rope: &super::source::Rope| rope.magnitude != 1.0 && 2 * rope.frequencies.len() != c.head_dim;
    if c.ropes.iter().any(partial) {
        // The magnitude is folded into the attention's scale, which an unrotated part must not see.
        return Err(ImportError::Unsupported("YaRN with a partly rotated head".into()));
    }
    Ok(())
}

fn build(
    source: &SourceModel,
    graph: &Graph,
    options: Options,
    fractions: &[i32],
) -> Result<(Vec<u8>, Vec<NodeId>), ImportError> {
    let lowered = lower(graph, &source.config, source.tensors.as_ref(), options, fractions)?;
    let infos: Vec<ConstantInfo> = lowered.constants.iter().map(|c| c.info).collect();
    let program = Program {
        nodes: lowered.nodes.clone(),
        constants: infos,
        interface: Interface {
            vocabulary: source.config.vocabulary as u32,
            context: source.config.context as u32,
            stop_tokens: source.stop_tokens.clone(),
            output: lowered.output,
            tokenizer: keccak256(&source.tokenizer_json),
            chat_template: keccak256(source.chat_template.as_deref().unwrap_or("").as_bytes()),
        },
    };
    validate(&program).map_err(|invalid| refused(&invalid, graph, &lowered))?;
    let steps = graph.steps.iter().zip(&lowered.steps).map(|(step, node)| StepLabel {
        name: step.name.clone(),
        node: node.0,
        fraction: match step.operation {
            Operation::Normalize { .. } => super::lower::UNIT_BITS,
            _ => fractions[step.format.0],
        },
    });
    let contents = Contents {
        program: &program,
        constants: &lowered.constants,
        tokenizer: &source.tokenizer_json,
        chat_template: source.chat_template.as_deref(),
        special_tokens: &source.special_tokens,
        add_bos: source.add_bos,
        steps: steps.collect(),
        provenance: Provenance {
            name: source.name.clone(),
            format: source.format.into(),
            digest: Hash(source.digest),
            precision: match options.precision {
                Precision::W8 => "w8".into(),
                Precision::W16 => "w16".into(),
            },
            kv: format!("i{}", options.kv_bits),
            stream_fraction: fractions.first().copied().unwrap_or_default(),
            importer: concat!("refute ", env!("CARGO_PKG_VERSION")).into(),
        },
    };
    let mut bytes = Vec::new();
    write(&contents, &mut BufWriter::new(&mut bytes))
        .map_err(|source| ImportError::Io { path: ARTEFACT.into(), source })?;
    Ok((bytes, lowered.steps))
}

/// A refusal in the words of the model: the step that the refused node belongs to.
fn refused(invalid: &crate::program::Invalid, graph: &Graph, lowered: &Lowered) -> ImportError {
    let node = match invalid {
        crate::program::Invalid::Node { node, .. } => {
            let step = lowered.steps.iter().position(|last| last.0 >= *node);
            step.map_or("sampling".into(), |i| graph.steps[i].name.clone())
        }
        crate::program::Invalid::Program(_) => "the program".into(),
    };
    ImportError::Refused { node, reason: invalid.to_string() }
}

/// What the source brings with it, else one text.
fn pilot_inputs(source: &SourceModel, graph: &Graph) -> Result<Vec<Vec<u32>>, ImportError> {
    match &source.exported {
        Some(exported) if !exported.pilot.is_empty() => Ok(exported.pilot.clone()),
        _ => pilot_tokens(source, graph).map(|tokens| vec![tokens]),
    }
}

/// Special tokens, a conversation, then the committed text; for an encoder the text alone.
fn pilot_tokens(source: &SourceModel, graph: &Graph) -> Result<Vec<u32>, ImportError> {
    let refused = |what: &str, e: &dyn std::fmt::Display| ImportError::Refused {
        node: what.into(),
        reason: e.to_string(),
    };
    let tokenizer = Tokenizer::of_model(&source.tokenizer_json, source.add_bos, &source.special_tokens)
        .map_err(|e| refused("tokenizer", &e))?;
    let encode = |text: &str, special| tokenizer.encode(text, special).map_err(|e| refused("tokenizer", &e));
    let mut tokens = Vec::new();
    if matches!(graph.head, Head::Logits(_)) {
        tokens.extend(&source.stop_tokens);
        if let Some(template) = &source.chat_template {
            let template = ChatTemplate::new(template, &source.special_tokens)
                .map_err(|e| refused("chat template", &e))?;
            let message = |role: &str, content: &str| Message { role: role.into(), content: content.into() };
            let talk =
                [message("user", "Why is the sky blue?"), message("assistant", "Blue light scatters most.")];
            // A template may insist on another order of roles: the text alone will do then.
            if let Ok(text) = template.render(&talk, true) {
                tokens.extend(encode(&text, true)?);
            }
        }
    }
    tokens.extend(encode(pilot::TEXT, false)?);
    tokens.truncate(pilot::TOKENS_MAX.min(source.config.context));
    let vocabulary = source.config.vocabulary;
    if let Some(unknown) = tokens.iter().find(|token| **token as usize >= vocabulary) {
        let reason = format!(
            "it gives token {unknown}, but the model's table has {vocabulary} rows: it belongs to another model"
        );
        return Err(refused("tokenizer", &reason));
    }
    if tokens.is_empty() {
        tokens.push(0);
    }
    Ok(tokens)
}
