//! Evaluation, with compiled texts kept: a project evaluates the same few texts for thousands of tasks.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, LazyLock, PoisonError, RwLock};

use minijinja::{AutoEscape, Environment, Expression, UndefinedBehavior, Value, syntax::SyntaxConfig};

use super::{Context, ExpressionError, bare, filters, is_template};
use crate::domain::limits;

/// Compiled expressions borrow their environment, so there is one for the life of the process; it never changes.
static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(environment);

/// Reads and evaluates templates and expressions. `Send` and `Sync`; one per engine is enough.
#[derive(Debug)]
pub struct Expressions {
    templates: RwLock<Templates>,
    expressions: RwLock<HashMap<String, Arc<Expression<'static, 'static>>>>,
}

#[derive(Debug)]
struct Templates {
    environment: Environment<'static>,
    count: usize,
}

impl Default for Expressions {
    fn default() -> Self {
        Self::new()
    }
}

impl Expressions {
    /// With an empty cache.
    pub fn new() -> Self {
        let templates = Templates { environment: environment(), count: 0 };
        Self { templates: RwLock::new(templates), expressions: RwLock::new(HashMap::new()) }
    }

    /// Whether `template` can be read; nothing is evaluated.
    pub fn check_template(&self, template: &str) -> Result<(), ExpressionError> {
        if !is_template(template) {
            return Ok(());
        }
        let compiled = ENVIRONMENT.template_from_str(template).map(drop);
        compiled.map_err(|error| ExpressionError::from_engine(&error, template))
    }

    /// Whether `expression` can be read, with or without `{{ }}`; nothing is evaluated.
    pub fn check_expression(&self, expression: &str) -> Result<(), ExpressionError> {
        self.compiled(expression).map(|_| ())
    }

    /// The text that `template` stands for. Null becomes nothing, lists and objects become JSON.
    pub fn render(&self, template: &str, context: &Context) -> Result<String, ExpressionError> {
        if !is_template(template) {
            return Ok(template.to_owned());
        }
        let known = self.templates.read().unwrap_or_else(PoisonError::into_inner);
        if known.environment.get_template(template).is_ok() {
            return render(&known.environment, template, context);
        }
        drop(known);
        let mut templates = self.templates.write().unwrap_or_else(PoisonError::into_inner);
        if templates.count >= limits::COMPILED_TEMPLATES {
            templates.environment.clear_templates();
            templates.count = 0;
        }
        templates
            .environment
            .add_template_owned(template.to_owned(), template.to_owned())
            .map_err(|error| ExpressionError::from_engine(&error, template))?;
        templates.count += 1;
        drop(templates);
        let known = self.templates.read().unwrap_or_else(PoisonError::into_inner);
        render(&known.environment, template, context)
    }

    /// The value of an expression, with or without `{{ }}`.
    pub fn eval(&self, expression: &str, context: &Context) -> Result<serde_json::Value, ExpressionError> {
        let value = self.value(expression, context)?;
        serde_json::to_value(&value)
            .map_err(|error| ExpressionError::new(format!("the result is not a JSON value: {error}")))
    }

    /// Whether an expression holds: everything but false, null, 0, and empty texts, lists and objects does.
    pub fn truthy(&self, expression: &str, context: &Context) -> Result<bool, ExpressionError> {
        self.value(expression, context).map(|value| value.is_true())
    }

    /// The elements of a `foreach`: of a list, `{key, value}` of an object, or the numbers below an integer.
    pub fn items(&self, expression: &str, context: &Context) -> Result<Vec<serde_json::Value>, ExpressionError> {
        let value = self.eval(expression, context)?;
        let too_many = |count: u64| {
            let most = limits::FOREACH_ITEMS;
            ExpressionError::new(format!("foreach has {count} elements, more than the {most} allowed"))
        };
        let items: Vec<serde_json::Value> = match value {
            serde_json::Value::Array(items) => items,
            serde_json::Value::Object(fields) => {
                fields.into_iter().map(|(key, value)| serde_json::json!({"key": key, "value": value})).collect()
            }
            serde_json::Value::Number(number) => {
                let count =
                    number.as_u64().ok_or_else(|| ExpressionError::new(format!("foreach cannot count to {number}")))?;
                if count > limits::FOREACH_ITEMS as u64 {
                    return Err(too_many(count));
                }
                (0..count).map(serde_json::Value::from).collect()
            }
            serde_json::Value::Null | serde_json::Value::Bool(_) | serde_json::Value::String(_) => {
                let excerpt: String = value.to_string().chars().take(80).collect();
                return Err(ExpressionError::new(format!(
                    "foreach needs a list, an object or a whole number, not {excerpt}"
                )));
            }
        };
        if items.len() > limits::FOREACH_ITEMS { Err(too_many(items.len() as u64)) } else { Ok(items) }
    }

    /// A JSON value with every text in it rendered. A text that is one single `{{ expression }}` becomes its value, type
    /// included.
    pub fn render_json(
        &self,
        value: &serde_json::Value,
        context: &Context,
    ) -> Result<serde_json::Value, ExpressionError> {
        match value {
            serde_json::Value::String(text) if is_template(text) => {
                let (inner, range) = bare(text);
                if text.trim().starts_with("{{") && range.start > 0 && inner.len() < text.trim().len() {
                    return self.eval(text, context);
                }
                self.render(text, context).map(serde_json::Value::from)
            }
            serde_json::Value::Array(items) => items.iter().map(|item| self.render_json(item, context)).collect(),
            serde_json::Value::Object(fields) => {
                let rendered = fields.iter().map(|(key, value)| Ok((key.clone(), self.render_json(value, context)?)));
                rendered.collect::<Result<serde_json::Map<_, _>, _>>().map(serde_json::Value::from)
            }
            plain => Ok(plain.clone()),
        }
    }

    fn value(&self, expression: &str, context: &Context) -> Result<Value, ExpressionError> {
        let compiled = self.compiled(expression)?;
        let value = compiled.eval(context.to_value()).map_err(|error| shifted(&error, expression))?;
        if value.is_undefined() {
            return Err(ExpressionError::new(format!("`{}` is undefined", bare(expression).0)));
        }
        Ok(value)
    }

    fn compiled(&self, expression: &str) -> Result<Arc<Expression<'static, 'static>>, ExpressionError> {
        let known = self.expressions.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(compiled) = known.get(expression) {
            return Ok(Arc::clone(compiled));
        }
        drop(known);
        let compiled = ENVIRONMENT
            .compile_expression_owned(bare(expression).0.to_owned())
            .map(Arc::new)
            .map_err(|error| shifted(&error, expression))?;
        let mut known = self.expressions.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= limits::COMPILED_TEMPLATES {
            known.clear();
        }
        known.insert(expression.to_owned(), Arc::clone(&compiled));
        Ok(compiled)
    }
}

/// An error of the bare expression, its range moved to the text with braces.
fn shifted(error: &minijinja::Error, expression: &str) -> ExpressionError {
    let (inner, place) = bare(expression);
    let mut error = ExpressionError::from_engine(error, inner);
    error.range = error.range.map(|range| range.start + place.start..range.end + place.start);
    error
}

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment.set_fuel(Some(limits::EXPRESSION_FUEL));
    environment.set_debug(true);
    let syntax = SyntaxConfig::builder().keep_trailing_newline(true).build();
    environment.set_syntax(syntax.expect("the default delimiters are distinct"));
    filters::install(&mut environment);
    environment
}

fn render(environment: &Environment<'_>, template: &str, context: &Context) -> Result<String, ExpressionError> {
    let compiled =
        environment.get_template(template).map_err(|error| ExpressionError::from_engine(&error, template))?;
    let mut output = Bounded { bytes: Vec::new(), overflow: false };
    let rendered = compiled.render_captured_to(context.to_value(), &mut output).map(drop);
    if output.overflow {
        let most = limits::RENDERED_BYTES;
        return Err(ExpressionError::new(format!("the text grows beyond {most} bytes")));
    }
    rendered.map_err(|error| ExpressionError::from_engine(&error, template))?;
    String::from_utf8(output.bytes).map_err(|_| ExpressionError::new("the result is not text"))
}

/// A buffer that refuses to grow past [`limits::RENDERED_BYTES`].
struct Bounded {
    bytes: Vec<u8>,
    overflow: bool,
}

impl io::Write for Bounded {
    fn write(&mut self, part: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + part.len() > limits::RENDERED_BYTES {
            self.overflow = true;
            return Err(io::Error::other("too long"));
        }
        self.bytes.extend_from_slice(part);
        Ok(part.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
