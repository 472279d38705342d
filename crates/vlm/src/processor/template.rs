//! Chat templates: render messages as the text that is tokenised, as transformers does.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use minijinja::{Environment, context};
use serde_json::json;
use stepwise_data::conversation::{Message, Part, Role};

/// Most steps of a rendering. Real templates need a few hundred; the limit stops endless ones.
const FUEL: u64 = 2_000_000;

/// Most bytes of a template. Real templates have up to some ten thousand.
const LONGEST: usize = 1 << 20;

/// Compiled chat template.
#[derive(Clone, Debug)]
pub struct ChatTemplate {
    /// File of the template, for errors.
    file: PathBuf,
    environment: Environment<'static>,
    source: String,
    special_tokens: BTreeMap<String, String>,
}

/// Error of a chat template that cannot be compiled or rendered.
#[derive(Debug, thiserror::Error)]
#[error("{}: chat template: {problem} -> use the chat template of the model's own folder", file.display())]
pub struct TemplateError {
    file: PathBuf,
    problem: String,
}

impl ChatTemplate {
    /// Compiles `source` with the Jinja settings of transformers. The template can use `special_tokens` by their names,
    /// such as `bos_token`. `file` is only named in errors.
    ///
    /// # Errors
    /// When `source` is not a valid template or is larger than 1 MiB.
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
        // Formatting to a width allocates as much memory as the template demands, so these filters are removed.
        ["format", "indent"].into_iter().for_each(|filter| environment.remove_filter(filter));
        // The filter's JSON differs from Python's, so templates that use it are refused instead of
        // rendered differently.
        environment.remove_filter("tojson");
        environment.add_function("raise_exception", |message: String| -> Result<String, minijinja::Error> {
            Err(minijinja::Error::new(minijinja::ErrorKind::InvalidOperation, message))
        });
        // Jinja reads every kind of line end as a newline, also inside quotes.
        let plain = without_generation_blocks(source).replace("\r\n", "\n").replace('\r', "\n");
        environment.add_template_owned("chat", plain).map_err(|error| failed(error.to_string()))?;
        Ok(Self { file: file.to_owned(), environment, source: source.to_owned(), special_tokens })
    }

    /// Returns the source text of the template.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Returns the texts of special tokens by name, such as `bos_token`. Empty if the folder names none.
    #[must_use]
    pub fn special_tokens(&self) -> &BTreeMap<String, String> {
        &self.special_tokens
    }

    /// Returns `messages` as text, followed by the generation prompt if `add_generation_prompt`. An image is rendered
    /// as a placeholder, `<image>` in the templates of Idefics3 and SmolVLM.
    ///
    /// # Errors
    /// When the template raises an error, uses an unsupported filter, or exceeds the step limit.
    pub fn render(&self, messages: &[Message], add_generation_prompt: bool) -> Result<String, TemplateError> {
        let messages: Vec<_> = messages.iter().map(as_json).collect();
        let failed = |error: minijinja::Error| TemplateError { file: self.file.clone(), problem: error.to_string() };
        let template = self.environment.get_template("chat").map_err(failed)?;
        let values =
            context! { messages, add_generation_prompt, ..minijinja::Value::from_serialize(&self.special_tokens) };
        template.render(values).map_err(failed)
    }
}

/// Replaces the tags of `{% generation %}` blocks by blocks that are always rendered. transformers marks the tokens of
/// answers with them.
fn without_generation_blocks(source: &str) -> String {
    let mut plain = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(start) = rest.find("{%") {
        let Some(length) = rest[start..].find("%}") else { break };
        let tag = &rest[start..start + length + 2];
        plain.push_str(&rest[..start]);
        plain.push_str(&match tag.trim_matches(['{', '%', '}', '-', '+', ' ', '\n', '\t']) {
            "generation" => tag.replace("generation", "if true"),
            "endgeneration" => tag.replace("endgeneration", "endif"),
            _ => tag.to_owned(),
        });
        rest = &rest[start + length + 2..];
    }
    plain + rest
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
            // Block lines leave no blank line, the final newline is dropped, and nothing is escaped.
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
            ("{{ 'a\r\nb\rc' }}\r\n", "a\nb\nc"),
        ];
        for (template, expected) in cases {
            assert_eq!(rendered(template).expect(template), expected, "{template}");
        }
    }

    #[test]
    fn generation_blocks_are_rendered() {
        let template =
            "{% for m in messages %}a\n{%- generation -%}\n {{ m.role }}\n{%- endgeneration %} b{% endfor %}";
        assert_eq!(rendered(template).expect("renders"), "auser b");
    }

    #[test]
    fn unsupported_and_failing_templates_are_refused() {
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
