//! Classifiers and vision programs that PyTorch exported, in integers.

mod support;

use executor::check::run::embeddings;
use executor::import::pt2;
use executor::tokenizer::Tokenizer;
use support::pt2::{
    Digits, Tiny, Told, data, distance, emission, imported, largest, model, native, recorded, reference,
    vector, with_tokenizer,
};

#[test]
fn an_encoder_with_a_first_token_head_becomes_a_program_of_a_vector() {
    let folder = tempfile::tempdir().unwrap();
    let tiny: Tiny = recorded("tiny.json");
    let source = with_tokenizer("encoder.pt2", folder.path(), 64);
    let mut engine = imported(&source);
    let error = distance(&vector(engine.as_mut(), &tiny.encoder.tokens), &tiny.encoder.output);
    assert!(error < 0.02, "{error}");
}

#[test]
fn an_image_program_of_many_operations_is_near_its_float_original() {
    let tiny: Tiny = recorded("tiny.json");
    for (name, told) in [("ops.pt2", &tiny.ops), ("padded.pt2", &tiny.padded)] {
        let source = pt2::open(&data(name)).unwrap();
        let mut engine = imported(&source);
        let error = distance(&vector(engine.as_mut(), &told.tokens), &told.output);
        println!("{name}: {error}");
        assert!(error < 0.01, "{name}: {error}");
    }
}

/// The padding of a maximum is less than every value. It is none, so no format makes room for it and no check counts it.
#[test]
fn what_a_gather_fills_in_is_no_value() {
    let tiny: Tiny = recorded("tiny.json");
    let source = pt2::open(&data("padded.pt2")).unwrap();
    let model = model(&source, &reference);
    let mut engine = reference(model.clone());
    let report = embeddings(&source, &model, engine.as_mut(), &[tiny.padded.tokens], &mut |_, _| {}).unwrap();
    assert_eq!(report.saturated, 0);
    assert!(report.headroom_bits >= 2, "{} bits at {}", report.headroom_bits, report.headroom_step);
    assert!(report.steps.iter().any(|step| step.name == "max_pool2d.gather"));
    for step in &report.steps {
        assert!(step.relative_error < 0.01, "{}: {}", step.name, step.relative_error);
    }
    for label in model.steps() {
        assert!(label.fraction >= 15, "{}: {} fractional bits", label.name, label.fraction);
    }
}

#[test]
fn native_and_reference_give_the_same_bits() {
    let folder = tempfile::tempdir().unwrap();
    let (tiny, digits): (Tiny, Digits) = (recorded("tiny.json"), recorded("digits.json"));
    let images = |told: &Told| vec![told.tokens.clone(), told.tokens.iter().rev().copied().collect()];
    for (name, inputs) in [
        ("decoder.pt2", images(&tiny.decoder)),
        ("encoder.pt2", images(&tiny.encoder)),
        ("ops.pt2", images(&tiny.ops)),
        ("padded.pt2", images(&tiny.padded)),
        ("cnn.pt2", digits.images[..20].to_vec()),
        ("mlp.pt2", digits.images[..20].to_vec()),
    ] {
        let source = with_tokenizer(name, folder.path(), 64);
        let (ours, theirs) = (model(&source, &native), model(&source, &reference));
        assert_eq!(ours.id(), theirs.id(), "{name}");
        let (mut ours, mut theirs) = (native(ours), reference(theirs));
        for tokens in inputs {
            let native = emission(ours.as_mut(), &tokens);
            assert_eq!(native, emission(theirs.as_mut(), &tokens), "{name} of {tokens:?}");
        }
    }
}

#[test]
fn digits_are_told_as_well_as_by_the_float_models() {
    let digits: Digits = recorded("digits.json");
    for (name, logits) in [("cnn.pt2", &digits.cnn), ("mlp.pt2", &digits.mlp)] {
        let mut engine = imported(&pt2::open(&data(name)).unwrap());
        let (mut right, mut float_right, mut worst) = (0u32, 0u32, 0.0_f64);
        for ((image, label), expected) in digits.images.iter().zip(&digits.labels).zip(logits) {
            let ours = vector(engine.as_mut(), image);
            right += u32::from(largest(&ours) == *label);
            float_right += u32::from(largest(expected) == *label);
            worst = worst.max(distance(&ours, expected));
        }
        println!("{name}: {right} right, {float_right} in float, worst error {worst}");
        assert!(float_right >= 485, "{name}: {float_right} of 500 in float");
        // 0.2 points of 500 are one image.
        assert!(right.abs_diff(float_right) <= 1, "{name}: {right} and {float_right} in float");
    }
}

#[test]
fn text_names_the_numbers_of_an_image() {
    let source = pt2::open(&data("mlp.pt2")).unwrap();
    let tokenizer =
        Tokenizer::of_model(&source.tokenizer_json, source.add_bos, &source.special_tokens).unwrap();
    assert_eq!(tokenizer.encode("0 3 16", false).unwrap(), [0, 3, 16]);
    let mut engine = imported(&source);
    assert_eq!(engine.program().interface.vocabulary, 256);
    let image = tokenizer.encode(&"7 ".repeat(64), false).unwrap();
    assert_eq!(vector(engine.as_mut(), &image).len(), 10);
}
