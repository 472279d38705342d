//! The chat template: messages to the text a tokenizer reads.

use minijinja::{Environment, context};
use serde_json::json;
use stepwise_curriculum::conversation::{Message, Part, Role};

/// Steps a template may take: real ones need some hundred; one that never ends is stopped.
const FUEL: u64 = 2_000_000;

/// A compiled chat template.
#[derive(Debug)]
pub struct ChatTemplate {
    environment: Environment<'static>,
    source: String,
}

/// A template that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("chat template: {0}")]
pub struct TemplateError(String);

impl ChatTemplate {
    /// Compiles a template under the settings transformers uses.
    ///
    /// # Errors
    /// When it is not a template.
    pub fn new(source: &str) -> Result<Self, TemplateError> {
        let mut environment = Environment::new();
        environment.set_trim_blocks(true);
        environment.set_lstrip_blocks(true);
        environment.set_fuel(Some(FUEL));
        environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        environment.add_function("raise_exception", |message: String| -> Result<String, minijinja::Error> {
            Err(minijinja::Error::new(minijinja::ErrorKind::InvalidOperation, message))
        });
        environment.add_template_owned("chat", source.to_owned()).map_err(|error| TemplateError(error.to_string()))?;
        Ok(Self { environment, source: source.to_owned() })
    }

    /// The template's text.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Renders `messages`, ending in the start of an answer where asked.
    ///
    /// # Errors
    /// When the template raises an error or does not end.
    pub fn render(&self, messages: &[Message], add_generation_prompt: bool) -> Result<String, TemplateError> {
        let messages: Vec<_> = messages.iter().map(as_json).collect();
        let failed = |error: minijinja::Error| TemplateError(error.to_string());
        let template = self.environment.get_template("chat").map_err(failed)?;
        template.render(context! { messages, add_generation_prompt, bos_token => "", eos_token => "" }).map_err(failed)
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

    #[test]
    fn an_endless_template_is_stopped() {
        let template = "{% for a in range(9999) %}{% for b in range(9999) %}{{ a }}{% endfor %}{% endfor %}";
        let error = ChatTemplate::new(template).expect("compiles").render(&[], false).expect_err("no end");
        assert!(error.to_string().contains("fuel"), "{error}");
    }

    #[test]
    fn a_broken_template_says_where() {
        let error = ChatTemplate::new("{% for %}").expect_err("broken").to_string();
        assert!(error.starts_with("chat template: syntax error"), "{error}");
    }
}
