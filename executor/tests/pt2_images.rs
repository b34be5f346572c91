//! Classifiers and vision programs that PyTorch exported, in integers.

mod support;

use executor::import::pt2;
use executor::tokenizer::Tokenizer;
use support::pt2::{Digits, Tiny, data, distance, imported, largest, recorded, vector, with_tokenizer};

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
    let source = pt2::open(&data("ops.pt2")).unwrap();
    let mut engine = imported(&source);
    let error = distance(&vector(engine.as_mut(), &tiny.ops.tokens), &tiny.ops.output);
    println!("ops: {error}");
    assert!(error < 0.02, "{error}");
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
