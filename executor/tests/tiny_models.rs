//! What the other tests take for granted about their small models.

mod support;

use executor::import::source::Architecture;
use executor::tokenizer::{Tokenizer, TokenizerOptions};
use support::{cases, hugging_face::values, tiny, tiny::Shape, vocabulary};

const ALL: [Architecture; 5] =
    [Architecture::Llama, Architecture::Qwen2, Architecture::Qwen3, Architecture::Gemma3, Architecture::Bert];

#[test]
fn the_seed_makes_the_weights() {
    for architecture in ALL {
        let [a, b, c] = [1, 1, 2].map(|seed| tiny::model(architecture, seed, Shape::default()));
        assert_eq!(values(&a, "layers.0.q"), values(&b, "layers.0.q"));
        assert_ne!(values(&a, "layers.0.q"), values(&c, "layers.0.q"));
        assert_ne!(values(&a, "layers.0.q"), values(&a, "layers.1.q"));
    }
}

#[test]
fn a_few_channels_are_far_larger() {
    let model = tiny::model(Architecture::Llama, 3, Shape::default());
    let width = model.config.width;
    let embed = values(&model, "embed");
    let column = |i: usize| embed.iter().skip(i).step_by(width).fold(0f32, |max, x| max.max(x.abs()));
    assert!(column(19) > 4.0 * column(18), "{} and {}", column(19), column(18));
}

#[test]
fn a_vocabulary_of_any_size_is_a_tokenizer() {
    for size in [3, 96, 258, 288, 1000, 10_000] {
        let options = TokenizerOptions::default();
        let tokenizer = Tokenizer::from_json(&vocabulary::tokenizer_json(size), &options).unwrap();
        assert_eq!(tokenizer.vocabulary_size(), size);
        assert_eq!(tokenizer.token_to_id("</s>"), Some(vocabulary::eos_id(size)));
        if size >= 258 {
            let text = "Zwölf, 12!!\n";
            let ids = tokenizer.encode(text, false).unwrap();
            assert_eq!(tokenizer.decode(&ids).unwrap(), text);
        }
    }
}

#[test]
fn sequences_are_longer_than_every_window() {
    for case in cases::all() {
        let windows = case.model().config.layers.into_iter().filter_map(|layer| layer.window);
        assert!(
            windows.max().is_none_or(|window| case.tokens().len() > 2 * window as usize),
            "{}",
            case.name
        );
    }
}
