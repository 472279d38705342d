//! The chat template: messages to the text a tokenizer reads.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use minijinja::{Environment, context};
use serde_json::json;
use stepwise_data::conversation::{Message, Part, Role};

/// Steps a template may take: real ones need some hundred; one that never ends is stopped.
const FUEL: u64 = 2_000_000;

/// Longer templates are not read: real ones have up to some ten thousand characters.
const LONGEST: usize = 1 << 20;

/// A compiled chat template.
#[derive(Clone, Debug)]
pub struct ChatTemplate {
    /// Where it stands, for errors.
    file: PathBuf,
    environment: Environment<'static>,
    source: String,
    special_tokens: BTreeMap<String, String>,
}

/// A template that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{}: chat template: {problem} -> use the chat template of the model's own folder", file.display())]
pub struct TemplateError {
    file: PathBuf,
    problem: String,
}

impl ChatTemplate {
    /// Compiles the template of a file under the settings transformers uses; it knows `special_tokens` by their names, such
    /// as `bos_token`.
    ///
    /// # Errors
    /// When it is not a template.
    pub fn new(file: &Path, source: &str, special_tokens: BTreeMap<String, String>) -> Result<Self, TemplateError> {
        let failed = |problem: String| TemplateError { file: file.to_owned(), problem };
        if source.len() > LONGEST {
            return Err(failed(format!("{} bytes: at most {LONGEST} are read", source.len())));
        }
        let mut environment = Environment::new();
        environment.set_trim_blocks(true);
        environment.set_lstrip_blocks(true);
        environment.set_fuel(Some(FUEL));
        environment.set_unknown_method_callback(|state, value, method, arguments| match method {
            "format" => Err(minijinja::ErrorKind::UnknownMethod.into()),
            _ => minijinja_contrib::pycompat::unknown_method_callback(state, value, method, arguments),
        });
        // What fills up to a width takes as much memory as a template writes digits.
        ["format", "indent"].into_iter().for_each(|filter| environment.remove_filter(filter));
        // Its JSON is not Python's, so a template that writes some is refused rather than rendered differently.
        environment.remove_filter("tojson");
        environment.add_function("raise_exception", |message: String| -> Result<String, minijinja::Error> {
            Err(minijinja::Error::new(minijinja::ErrorKind::InvalidOperation, message))
        });
        environment.add_template_owned("chat", source.to_owned()).map_err(|error| failed(error.to_string()))?;
        Ok(Self { file: file.to_owned(), environment, source: source.to_owned(), special_tokens })
    }

    /// The template's text.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The tokens it knows by name.
    #[must_use]
    pub fn special_tokens(&self) -> &BTreeMap<String, String> {
        &self.special_tokens
    }

    /// Renders `messages`, ending in the start of an answer where asked.
    ///
    /// # Errors
    /// When the template raises an error or does not end.
    pub fn render(&self, messages: &[Message], add_generation_prompt: bool) -> Result<String, TemplateError> {
        let messages: Vec<_> = messages.iter().map(as_json).collect();
        let failed = |error: minijinja::Error| TemplateError { file: self.file.clone(), problem: error.to_string() };
        let template = self.environment.get_template("chat").map_err(failed)?;
        let values =
            context! { messages, add_generation_prompt, ..minijinja::Value::from_serialize(&self.special_tokens) };
        template.render(values).map_err(failed)
    }
}

fn as_json(message: &Message) -> serde_json::Value {
    let role = match message.role {
        Role::System => "system",
        Role::User => "user",
        Role::Assistant => "assistant",
    };
    let content: Vec<_> = message
        .content
        .iter()
        .map(|part| match part {
            Part::Image { .. } => json!({ "type": "image" }),
            Part::Text { text } => json!({ "type": "text", "text": text }),
        })
        .collect();
    json!({ "role": role, "content": content })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(template: &str) -> Result<String, TemplateError> {
        let message = Message { role: Role::User, content: vec![Part::text("hELLO <b> & co")], supervised: false };
        let special = BTreeMap::from([("bos_token".to_owned(), "<s>".to_owned())]);
        ChatTemplate::new(Path::new("own.jinja"), template, special)?.render(&[message], true)
    }

    #[test]
    fn templates_render_as_in_transformers() {
        let cases = [
            // Blocks take their line with them, the last newline goes, nothing is escaped.
            (
                "{% for m in messages %}\n  {% if true %}\n{{ m['content'][0].text }}\n{% endif %}\n{% endfor %}\n",
                "hELLO <b> & co\n",
            ),
            ("{{ messages[0].content[0]['text'] | capitalize }}", "Hello <b> & co"),
            ("{{ messages[0]['content'][0]['text'].split(' ')[0].lower().strip('h') }}", "ello"),
            ("{{ bos_token }}{{ eos_token }}{{ messages[-1]['role'].title() }}", "<s>User"),
            (
                "{% set n = namespace(a=0) %}{% for i in range(3) %}{% if i == 2 %}{% break %}{% endif %}{% set n.a = i %}{% endfor %}{{ n.a }}",
                "1",
            ),
            ("{% if tools %}t{% endif %}{{ 'p' if add_generation_prompt }}", "p"),
        ];
        for (template, expected) in cases {
            assert_eq!(rendered(template).expect(template), expected, "{template}");
        }
    }

    #[test]
    fn what_would_differ_or_fails_says_so() {
        let error = |template: &str| rendered(template).expect_err(template).to_string();
        assert!(error("{{ messages | tojson }}").contains("tojson"));
        assert!(error("{{ raise_exception('roles must alternate') }}").contains("roles must alternate"));
        assert!(error("{% for %}").starts_with("own.jinja: chat template: syntax error"));
        assert!(error("{{ raise_exception('x') }}").starts_with("own.jinja: chat template: "));
        assert!(error("{{ messages[0].nothing.at_all }}").contains("undefined"));
        assert!(error(&"x".repeat(LONGEST + 1)).contains("at most"));
        assert!(error("{% include 'other' %}").contains("other"));
    }

    #[test]
    fn an_endless_template_is_stopped() {
        for template in [
            "{% for a in range(9999) %}{% for b in range(9999) %}{{ a }}{% endfor %}{% endfor %}",
            "{% macro again() %}{{ again() }}{% endmacro %}{{ again() }}",
            "{{ 'a' * 100000000000 }}",
            "{% for a in range(100000000000) %}{% endfor %}",
            "{{ '{:1000000000}'.format(3) }}",
            "{{ '%1000000000d' | format(3) }}",
            "{{ 'a\nb' | indent(1000000000) }}",
        ] {
            assert!(rendered(template).is_err(), "{template}");
        }
    }
}
