//! Chat templates against Python's Jinja2 (`tools/chat_vectors.py`), and templates that mean harm.

use executor::tokenizer::chat::{ChatError, ChatTemplate, Date, Message};

#[derive(serde::Deserialize)]
struct Vectors {
    name: String,
    template: String,
    special_tokens: Vec<(String, String)>,
    cases: Vec<Case>,
}

#[derive(serde::Deserialize)]
struct Case {
    messages: Vec<Message>,
    add_generation_prompt: bool,
    text: Option<String>,
    refused: Option<String>,
}

fn user(content: &str) -> Vec<Message> {
    vec![Message { role: "user".into(), content: content.into() }]
}

fn render(source: &str) -> Result<String, ChatError> {
    ChatTemplate::new(source, &[])?.render(&user("hi"), true)
}

#[test]
fn renders_as_python_does() {
    let all: Vec<Vectors> = serde_json::from_str(include_str!("data/tokenizer/chat.json")).expect("vectors");
    for vectors in all {
        let template = ChatTemplate::new(&vectors.template, &vectors.special_tokens).expect("a template");
        for case in vectors.cases {
            let rendered = template.render(&case.messages, case.add_generation_prompt);
            let expected = match (case.text, case.refused) {
                (Some(text), _) => Ok(text),
                (None, reason) => Err(ChatError::Refused(reason.expect("text or a reason"))),
            };
            assert_eq!(rendered, expected, "{}", vectors.name);
        }
    }
}

#[test]
fn the_clock_is_not_read() {
    let insists = ChatTemplate::new("{{ strftime_now('%d %B %Y') }}", &[]).expect("a template");
    assert!(matches!(insists.render(&user("hi"), true), Err(ChatError::Template(_))));
    let date = Date::new(2024, 2, 29);
    assert_eq!(insists.render_on(date, &user("hi"), true).as_deref(), Ok("29 February 2024"));
    let time = ChatTemplate::new("{{ strftime_now('%H') }}", &[]).expect("a template");
    assert!(matches!(time.render_on(date, &user("hi"), true), Err(ChatError::Template(_))));
    for (date, text) in [
        ((2026, 11, 22), "Sun 22 Nov 26"),
        ((2000, 1, 1), "Sat 01 Jan 00"),
        ((1999, 12, 31), "Fri 31 Dec 99"),
    ] {
        let template = ChatTemplate::new("{{ strftime_now('%a %d %b %y') }}", &[]).expect("a template");
        let rendered = template.render_on(Date::new(date.0, date.1, date.2), &user("hi"), true);
        assert_eq!(rendered.as_deref(), Ok(text));
    }
    assert_eq!(Date::new(2023, 2, 29), None);
    assert_eq!(Date::new(2023, 13, 1), None);
}

#[test]
fn hostile_templates_come_to_an_end() {
    for source in [
        "{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "{% set n = namespace(x='aaaaaaaaaaaaaaaa') %}{% for i in range(99) %}{% set n.x = n.x ~ n.x %}{% endfor %}",
        "{{ 'a' * 10000000000 }}",
        "{{ 'a' * 50000000 }}",
        "{% for i in range(1000) %}{{ 'x' * 100000 }}{% endfor %}",
        "{{ raise_exception('no') }}",
        "{{ messages[0].content[5].x.y }}",
        "{{ 1 // 0 }}{{ 9223372036854775807 * 9223372036854775807 * 9223372036854775807 }}",
        "{% include 'other' %}",
        "{{ messages.pop() }}",
        "{% for",
        "{{ self | tojson }}",
    ] {
        assert!(render(source).is_err(), "{source}");
    }
    let deep = format!("{{{{ {}", "(".repeat(100_000));
    assert!(render(&deep).is_err());
    assert!(render(&"x".repeat(2 << 20)).is_err());
}

#[test]
fn a_long_conversation_is_within_the_limits() {
    let turns: Vec<Message> = (0..2000).flat_map(|_| user(&"word ".repeat(200))).collect();
    let source =
        "{% for m in messages %}{{ '<' + m['role'] + '>' + m['content'] | trim + '\\n' }}{% endfor %}";
    let text = ChatTemplate::new(source, &[]).and_then(|t| t.render(&turns, false)).expect("two megabytes");
    assert!(text.len() > 1_900_000);
}
