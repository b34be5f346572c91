//! The vectors that the contracts are tested with: `bisection/vectors/ledger.json`. docs/rollup.md, 15, says what is in them.

mod cases;
mod read;

use serde_json::{Value, json};

/// Set it to write the file instead of comparing it.
const WRITE: &str = "REFUTE_WRITE_VECTORS";

fn path() -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors/ledger.json")
}

/// One line a case.
fn render(sections: &[(&str, Value)]) -> String {
    let mut out = String::from("{\"version\":1");
    for (name, section) in sections {
        match section {
            Value::Array(cases) => {
                let lines: Vec<String> = cases.iter().map(|case| sorted(case).to_string()).collect();
                out += &format!(",\n\"{name}\":[\n{}\n]", lines.join(",\n"));
            }
            other => out += &format!(",\n\"{name}\":{}", sorted(other)),
        }
    }
    out + "\n}\n"
}

/// With the fields of objects in order, whether or not `serde_json` was built to keep another.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Array(list) => list.iter().map(sorted).collect(),
        Value::Object(fields) => {
            let mut names: Vec<&String> = fields.keys().collect();
            names.sort();
            Value::Object(names.into_iter().map(|name| (name.clone(), sorted(&fields[name]))).collect())
        }
        other => other.clone(),
    }
}

fn hex(bytes: impl AsRef<[u8]>) -> Value {
    let digits: String = bytes.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    json!(format!("0x{digits}"))
}

/// What may be beyond 2^53 is a string.
fn big(number: impl ToString) -> Value {
    json!(number.to_string())
}

/// Name of an error, and the step that it names.
fn named(error: &bisection::ledger::Refused) -> (String, Option<u32>) {
    use bisection::ledger::Refused;
    match error {
        Refused::Step { step, fault } => (name(fault), Some(*step)),
        other => (name(other), None),
    }
}

/// The name of a variant.
fn name(error: &impl std::fmt::Debug) -> String {
    let text = format!("{error:?}");
    text.split(|c: char| !c.is_alphanumeric()).next().unwrap().to_string()
}

#[test]
fn the_file_is_what_the_rules_make() {
    let made = render(&cases::all());
    if std::env::var_os(WRITE).is_some() {
        std::fs::create_dir_all(path().parent().unwrap()).unwrap();
        std::fs::write(path(), &made).unwrap();
    }
    let there = std::fs::read_to_string(path()).unwrap();
    assert!(there == made, "the rules have changed: the contracts must change with them");
    assert!(made.len() < 450_000, "{} bytes", made.len());
}

/// As another implementation would: nothing but the file is used.
#[test]
fn every_vector_reproduces() {
    if std::env::var_os(WRITE).is_some() {
        return;
    }
    let file: Value = serde_json::from_str(&std::fs::read_to_string(path()).unwrap()).unwrap();
    read::check(&file);
}
