//! `models/model.json`: the part of torch.export's schema (major 8) that decides what a model computes.
//!
//! Everything is read into bounded structures; what is not named here is read past. An argument of a kind that is
//! not known is kept as [`Argument::Other`], so that only a node that needs it is refused.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, Visitor};

use super::bounded::{List, Map, Real, Text};

/// The major version of the schema that is read.
pub(super) const MAJOR: u64 = 8;
/// Nodes of one graph, and tensors that its signature names.
const NODES_MAX: usize = 65_536;
const ARGUMENTS_MAX: usize = 32;
const NUMBERS_MAX: usize = 64;
const DIMENSIONS_MAX: usize = 8;

#[derive(Debug, Deserialize)]
pub(super) struct Program {
    pub(super) graph_module: GraphModule,
    pub(super) schema_version: Version,
    #[serde(default)]
    pub(super) range_constraints: Map<Bounds, 64>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Version {
    pub(super) major: u64,
}

/// The values that a symbol may have.
#[derive(Debug, Deserialize)]
pub(super) struct Bounds {
    pub(super) max_val: Option<i64>,
}

#[derive(Debug, Deserialize)]
pub(super) struct GraphModule {
    pub(super) graph: Graph,
    pub(super) signature: Signature,
}

#[derive(Debug, Deserialize)]
pub(super) struct Graph {
    pub(super) nodes: List<Node, NODES_MAX>,
    pub(super) tensor_values: Map<TensorMeta, { 2 * NODES_MAX }>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Node {
    pub(super) target: Text,
    pub(super) inputs: List<Input, ARGUMENTS_MAX>,
    pub(super) outputs: List<Argument, ARGUMENTS_MAX>,
    #[serde(default)]
    pub(super) metadata: Metadata,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Metadata {
    #[serde(default)]
    pub(super) stack_trace: Source,
}

#[derive(Debug, Deserialize)]
pub(super) struct Input {
    #[serde(default)]
    pub(super) name: Text,
    pub(super) arg: Argument,
}

/// Shape and place of a tensor.
#[derive(Debug, Deserialize)]
pub(super) struct TensorMeta {
    pub(super) dtype: u32,
    pub(super) sizes: List<SymInt, DIMENSIONS_MAX>,
    pub(super) strides: List<SymInt, DIMENSIONS_MAX>,
    pub(super) storage_offset: SymInt,
}

#[derive(Debug, Deserialize)]
pub(super) struct Signature {
    pub(super) input_specs: List<InputSpec, NODES_MAX>,
    pub(super) output_specs: List<OutputSpec, 64>,
}

/// What an input of the graph is.
#[derive(Debug)]
pub(super) enum InputSpec {
    /// A stored tensor: the input's name, and its name in the files of weights or constants.
    Stored { input: String, tensor: String },
    /// What the program is called with.
    User(Argument),
    /// A kind that is not known.
    Other(String),
}

/// An output that is no user's (a changed buffer) has no argument.
#[derive(Debug)]
pub(super) struct OutputSpec {
    pub(super) user: Option<Argument>,
}

#[derive(Deserialize)]
struct StoredSpec {
    arg: Named,
    #[serde(alias = "parameter_name", alias = "buffer_name", alias = "tensor_constant_name")]
    tensor: Text,
}

#[derive(Deserialize)]
struct UserSpec {
    arg: Argument,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Named {
    pub(super) name: Text,
}

/// A size: a number, the name of a node's result, or an expression over symbols.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum SymInt {
    Int(i64),
    Name(String),
    /// The whole text of the expression.
    Expression(String),
}

/// What a node is given.
#[derive(Clone, Debug)]
pub(super) enum Argument {
    None,
    Tensor(String),
    Tensors(Vec<String>),
    Int(i64),
    Ints(Vec<i64>),
    Float(f64),
    Bool(bool),
    Text(String),
    SymInt(SymInt),
    SymInts(Vec<SymInt>),
    /// The code of a dtype.
    ScalarType(i64),
    /// A kind that no operation here reads, by its name.
    #[expect(dead_code, reason = "shown in errors")]
    Other(String),
}

impl<'de> Deserialize<'de> for SymInt {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Expression {
            expr_str: Text,
        }
        #[derive(Deserialize)]
        enum Form {
            #[serde(rename = "as_int")]
            Int(i64),
            #[serde(rename = "as_name")]
            Name(Text),
            #[serde(rename = "as_expr")]
            Expression(Expression),
        }
        Ok(match Form::deserialize(deserializer)? {
            Form::Int(n) => Self::Int(n),
            Form::Name(name) => Self::Name(name.0),
            Form::Expression(expression) => Self::Expression(expression.expr_str.0),
        })
    }
}

/// What is written as an object of one entry, whose name says the kind.
trait Tagged: Sized {
    fn of<'de, A: MapAccess<'de>>(kind: String, map: &mut A) -> Result<Self, A::Error>;
}

struct OneEntry<T>(PhantomData<T>);

impl<'de, T: Tagged> Visitor<'de> for OneEntry<T> {
    type Value = T;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of one entry")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<T, A::Error> {
        let Some(Text(kind)) = map.next_key()? else {
            return Err(A::Error::custom("an object without an entry"));
        };
        let value = T::of(kind, &mut map)?;
        match map.next_key::<IgnoredAny>()? {
            None => Ok(value),
            Some(_) => Err(A::Error::custom("an object of one entry has several")),
        }
    }
}

impl<'de> Deserialize<'de> for Argument {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(OneEntry(PhantomData))
    }
}

impl<'de> Deserialize<'de> for InputSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(OneEntry(PhantomData))
    }
}

impl<'de> Deserialize<'de> for OutputSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(OneEntry(PhantomData))
    }
}

impl Tagged for InputSpec {
    fn of<'de, A: MapAccess<'de>>(kind: String, map: &mut A) -> Result<Self, A::Error> {
        Ok(match kind.as_str() {
            "parameter" | "buffer" | "tensor_constant" => {
                let stored: StoredSpec = map.next_value()?;
                Self::Stored { input: stored.arg.name.0, tensor: stored.tensor.0 }
            }
            "user_input" => Self::User(map.next_value::<UserSpec>()?.arg),
            _ => map.next_value::<IgnoredAny>().map(|_| Self::Other(kind))?,
        })
    }
}

impl Tagged for OutputSpec {
    fn of<'de, A: MapAccess<'de>>(kind: String, map: &mut A) -> Result<Self, A::Error> {
        Ok(match kind.as_str() {
            "user_output" => Self { user: Some(map.next_value::<UserSpec>()?.arg) },
            _ => map.next_value::<IgnoredAny>().map(|_| Self { user: None })?,
        })
    }
}

impl Tagged for Argument {
    fn of<'de, A: MapAccess<'de>>(kind: String, map: &mut A) -> Result<Self, A::Error> {
        Ok(match kind.as_str() {
            "as_none" => map.next_value::<IgnoredAny>().map(|_| Self::None)?,
            "as_tensor" => Self::Tensor(map.next_value::<Named>()?.name.0),
            "as_tensors" => {
                let list: List<Named, NUMBERS_MAX> = map.next_value()?;
                Self::Tensors(list.0.into_iter().map(|named| named.name.0).collect())
            }
            "as_int" => Self::Int(map.next_value()?),
            "as_ints" => Self::Ints(map.next_value::<List<i64, NUMBERS_MAX>>()?.0),
            "as_float" => Self::Float(map.next_value::<Real>()?.0),
            "as_bool" => Self::Bool(map.next_value()?),
            "as_string" => Self::Text(map.next_value::<Text>()?.0),
            "as_sym_int" => Self::SymInt(map.next_value()?),
            "as_sym_ints" => Self::SymInts(map.next_value::<List<SymInt, NUMBERS_MAX>>()?.0),
            "as_scalar_type" => Self::ScalarType(map.next_value()?),
            _ => map.next_value::<IgnoredAny>().map(|_| Self::Other(kind))?,
        })
    }
}

/// A Python stack trace, of which the innermost line outside of PyTorch is kept.
#[derive(Debug, Default)]
pub(super) struct Source(pub(super) String);

/// Bytes of the kept line.
const LINE_MAX: usize = 200;

impl<'de> Deserialize<'de> for Source {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let trace = Option::<String>::deserialize(deserializer)?.unwrap_or_default();
        let mut kept = String::new();
        let mut lines = trace.lines().map(str::trim).filter(|line| !line.is_empty()).peekable();
        while let Some(place) = lines.next().filter(|_| lines.peek().is_some()) {
            // PyTorch's own modules are not what the user can change.
            if place.starts_with("File ") && (kept.is_empty() || !place.contains("torch/")) {
                kept = format!("{}  ({place})", lines.peek().copied().unwrap_or_default());
            }
        }
        Ok(Self(kept.chars().filter(|c| !c.is_control()).take(LINE_MAX).collect()))
    }
}

/// `weights/*_config.json` and `constants/*_config.json`: which entry holds which tensor.
#[derive(Debug, Deserialize)]
pub(super) struct Payloads {
    #[serde(default)]
    pub(super) config: Map<Payload, NODES_MAX>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Payload {
    #[serde(default)]
    pub(super) path_name: Text,
    #[serde(default)]
    pub(super) use_pickle: bool,
    pub(super) tensor_meta: Option<TensorMeta>,
}
