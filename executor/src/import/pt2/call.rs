//! A node with its arguments looked up.

use super::schema::{Argument, Node, SymInt};
use super::translate::{Translator, Value};
use super::view::{Size, View};

/// What an operation is refused for.
pub(super) type Refusal = String;

/// A node that is being translated.
pub(super) struct Call<'a> {
    pub(super) node: &'a Node,
    /// `conv2d` of `torch.ops.aten.conv2d.default`, without the underscore of an operation in place.
    pub(super) op: &'a str,
    /// The name of its first output.
    pub(super) name: &'a str,
}

impl<'a> Call<'a> {
    /// The argument, if it is given and is not None.
    pub(super) fn argument(&self, name: &str) -> Option<&'a Argument> {
        let input = self.node.inputs.0.iter().find(|input| input.name.0 == name);
        input.map(|input| &input.arg).filter(|arg| !matches!(arg, Argument::None))
    }

    fn wrong<T>(&self, name: &str, found: &Argument) -> Result<T, Refusal> {
        Err(format!("its argument {name} is {:?}, which is not read", Shown(found)))
    }

    /// A tensor.
    pub(super) fn view(&self, t: &Translator<'_>, name: &str) -> Result<View, Refusal> {
        self.optional_view(t, name)?.ok_or_else(|| format!("its argument {name} is missing"))
    }

    /// A tensor that may be left out.
    pub(super) fn optional_view(&self, t: &Translator<'_>, name: &str) -> Result<Option<View>, Refusal> {
        match self.argument(name) {
            None => Ok(None),
            Some(Argument::Tensor(tensor)) => match t.value(tensor)? {
                Value::View(view) => Ok(Some(view.clone())),
                Value::Size(_) => Err(format!("its argument {name} is a size")),
            },
            Some(other) => self.wrong(name, other),
        }
    }

    /// A tensor or a number, which becomes a tensor of no dimensions.
    pub(super) fn operand(&self, t: &Translator<'_>, name: &str) -> Result<View, Refusal> {
        match self.argument(name) {
            Some(Argument::Int(n)) => View::uniform(*n as f64, vec![]),
            Some(Argument::Float(x)) => View::uniform(*x, vec![]),
            Some(Argument::Bool(b)) => View::uniform(f64::from(u8::from(*b)), vec![]),
            _ => self.view(t, name),
        }
    }

    /// A number.
    pub(super) fn real(&self, name: &str, default: f64) -> Result<f64, Refusal> {
        Ok(self.optional_real(name)?.unwrap_or(default))
    }

    /// A number that may be left out.
    pub(super) fn optional_real(&self, name: &str) -> Result<Option<f64>, Refusal> {
        match self.argument(name) {
            None => Ok(None),
            Some(Argument::Float(x)) => Ok(Some(*x)),
            Some(Argument::Int(n)) => Ok(Some(*n as f64)),
            Some(other) => self.wrong(name, other),
        }
    }

    /// A truth value.
    pub(super) fn bool(&self, name: &str, default: bool) -> Result<bool, Refusal> {
        match self.argument(name) {
            None => Ok(default),
            Some(Argument::Bool(b)) => Ok(*b),
            Some(other) => self.wrong(name, other),
        }
    }

    /// A whole number.
    pub(super) fn int(&self, name: &str, default: i64) -> Result<i64, Refusal> {
        match self.argument(name) {
            None => Ok(default),
            Some(Argument::Int(n)) => Ok(*n),
            Some(other) => self.wrong(name, other),
        }
    }

    /// Whole numbers; one number stands for itself.
    pub(super) fn ints(&self, name: &str) -> Result<Option<Vec<i64>>, Refusal> {
        match self.argument(name) {
            None => Ok(None),
            Some(Argument::Ints(list)) => Ok(Some(list.clone())),
            Some(Argument::Int(n)) => Ok(Some(vec![*n])),
            Some(other) => self.wrong(name, other),
        }
    }

    /// Height and width; one number stands for both.
    pub(super) fn pair(&self, name: &str, default: usize) -> Result<[usize; 2], Refusal> {
        let list = self.ints(name)?.unwrap_or_default();
        let count = |n: &i64| usize::try_from(*n).ok().filter(|n| *n <= 1 << 16);
        match list.iter().map(count).collect::<Option<Vec<usize>>>().as_deref() {
            Some([]) => Ok([default; 2]),
            Some([both]) => Ok([*both; 2]),
            Some([height, width]) => Ok([*height, *width]),
            _ => Err(format!("its argument {name} is {list:?}; one or two sizes are read")),
        }
    }

    /// A size, or None for one that is to be found out (-1).
    pub(super) fn size(&self, t: &Translator<'_>, name: &str) -> Result<Option<Option<Size>>, Refusal> {
        match self.argument(name) {
            None => Ok(None),
            Some(Argument::Int(n)) => fixed(*n).map(Some),
            Some(Argument::SymInt(n)) => symbolic(t, n).map(Some),
            Some(other) => self.wrong(name, other),
        }
    }

    /// Sizes, None for one that is to be found out.
    pub(super) fn sizes(&self, t: &Translator<'_>, name: &str) -> Result<Vec<Option<Size>>, Refusal> {
        match self.argument(name) {
            Some(Argument::Ints(list)) => list.iter().map(|n| fixed(*n)).collect(),
            Some(Argument::SymInts(list)) => list.iter().map(|n| symbolic(t, n)).collect(),
            Some(Argument::None) | None => Err(format!("its argument {name} is missing")),
            Some(other) => self.wrong(name, other),
        }
    }

    /// A dimension of `view`, counted from the end if negative.
    pub(super) fn axis(&self, view: &View, name: &str, default: i64) -> Result<usize, Refusal> {
        axis(self.int(name, default)?, view.sizes.len())
    }

    /// Dimensions of `view`; all if none are given.
    pub(super) fn axes(&self, view: &View, name: &str) -> Result<Vec<usize>, Refusal> {
        let all = view.sizes.len();
        match self.ints(name)? {
            None => Ok((0..all).collect()),
            Some(list) if list.is_empty() => Ok((0..all).collect()),
            Some(list) => list.into_iter().map(|n| axis(n, all)).collect(),
        }
    }
}

/// Dimension `n` of `all`, counted from the end if negative.
pub(super) fn axis(n: i64, all: usize) -> Result<usize, Refusal> {
    let wrong = || format!("dimension {n} of {all} does not exist");
    let count = i64::try_from(all).map_err(|_| wrong())?;
    let n = if n < 0 { n.checked_add(count).ok_or_else(wrong)? } else { n };
    usize::try_from(n).ok().filter(|n| *n < all).ok_or_else(wrong)
}

fn fixed(n: i64) -> Result<Option<Size>, Refusal> {
    match n {
        -1 => Ok(None),
        n => usize::try_from(n).map(|n| Some(Size::Fixed(n))).map_err(|_| format!("{n} is no size")),
    }
}

fn symbolic(t: &Translator<'_>, n: &SymInt) -> Result<Option<Size>, Refusal> {
    match n {
        SymInt::Int(n) => fixed(*n),
        SymInt::Name(name) => match t.value(name)? {
            Value::Size(size) => Ok(Some(*size)),
            Value::View(_) => Err(format!("{name} is no size")),
        },
        SymInt::Expression(text) => Err(format!("a size is the expression {text:?}")),
    }
}

/// An argument in an error: lists are cut short by the precision.
struct Shown<'a>(&'a Argument);

impl std::fmt::Debug for Shown<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text: String = format!("{:?}", self.0).chars().take(80).collect();
        f.write_str(&text)
    }
}
