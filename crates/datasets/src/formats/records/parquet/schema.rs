//! Columns of a Parquet file: the leaves of its schema, each with its way from the record down to the value.

use super::thrift::Value;

/// Deepest schema.
const DEEPEST: usize = 16;

/// Most columns of a file.
const MOST_COLUMNS: usize = 4096;

/// Physical type of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// One bit.
    Bool,
    /// 32-bit number.
    Int32,
    /// 64-bit number.
    Int64,
    /// 32-bit floating-point number.
    Float,
    /// 64-bit floating-point number.
    Double,
    /// Bytes or text.
    Bytes,
    /// So many bytes.
    Fixed(u64),
}

/// A column.
#[derive(Clone, Debug)]
pub(super) struct Column {
    /// Path of names, joined by dots.
    pub(super) name: String,
    /// Physical type.
    pub(super) kind: Kind,
    /// Whether the bytes are text.
    pub(super) is_text: bool,
    /// Way from the record to the value.
    pub(super) steps: Vec<Step>,
    /// Largest definition level.
    pub(super) definition: u16,
    /// Largest repetition level.
    pub(super) repetition: u16,
}

/// One step from the record to a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Into a field.
    Field(String),
    /// Nothing follows below this definition level: the value is null.
    Optional(u16),
    /// Into an element of a list; below the definition level `definition` the list is empty.
    List {
        /// Repetition level, from 1.
        level: u16,
        /// Definition level of an element.
        definition: u16,
    },
}

/// Returns the columns of a schema, whose first element is the record.
///
/// # Errors
/// What is wrong with the schema.
pub(super) fn columns(elements: &[Value]) -> Result<Vec<Column>, String> {
    let mut rest = elements.iter();
    let root = rest.next().ok_or("the Parquet file has no schema")?;
    let mut reader = Reader { rest, columns: Vec::new() };
    for _ in 0..root.int(5).unwrap_or_default() {
        reader.element(&Way::default(), Naming::Name, 0)?;
    }
    Ok(reader.columns)
}

struct Reader<'a> {
    rest: std::slice::Iter<'a, Value>,
    columns: Vec<Column>,
}

/// Way to an element of the schema.
#[derive(Clone, Default)]
struct Way {
    names: Vec<String>,
    steps: Vec<Step>,
    definition: u16,
    repetition: u16,
}

/// What the name of an element is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Naming {
    /// Field of its parent.
    Name,
    /// Repeated part of a list, which has no field of its own.
    ListPart,
    /// Element of a list, which has no field of its own.
    ListElement,
}

impl Reader<'_> {
    fn element(&mut self, above: &Way, naming: Naming, depth: usize) -> Result<(), String> {
        let element = self.rest.next().ok_or("the schema of the Parquet file is cut off")?;
        let name = element.text(4).ok_or("a column of the Parquet file has no name")?;
        if depth > DEEPEST || self.columns.len() >= MOST_COLUMNS {
            return Err(format!("the schema of the Parquet file is too large at {name:?}"));
        }
        let mut way = above.clone();
        if naming == Naming::Name {
            way.steps.push(Step::Field(name.clone()));
            way.names.push(name);
        }
        match element.int(3) {
            Some(1) => {
                way.definition += 1;
                way.steps.push(Step::Optional(way.definition));
            }
            Some(2) => {
                way.definition += 1;
                way.repetition += 1;
                way.steps.push(Step::List { level: way.repetition, definition: way.definition });
            }
            _ => {}
        }
        let children = element.int(5).unwrap_or_default();
        if children == 0 {
            let column = column(element, way)?;
            self.columns.push(column);
            return Ok(());
        }
        let is_list = element.int(6) == Some(3) || element.field(10).is_some_and(|kind| kind.field(3).is_some());
        let below = match naming {
            Naming::ListPart if children == 1 => Naming::ListElement,
            _ if is_list && children == 1 => Naming::ListPart,
            _ => Naming::Name,
        };
        for _ in 0..children {
            self.element(&way, below, depth + 1)?;
        }
        Ok(())
    }
}

fn column(element: &Value, way: Way) -> Result<Column, String> {
    let name = way.names.join(".");
    let length = element.int(2).and_then(|length| u64::try_from(length).ok()).unwrap_or_default();
    let kind = match element.int(1) {
        Some(0) => Kind::Bool,
        Some(1) => Kind::Int32,
        Some(2) => Kind::Int64,
        Some(3) => Kind::Fixed(12),
        Some(4) => Kind::Float,
        Some(5) => Kind::Double,
        Some(6) => Kind::Bytes,
        Some(7) => Kind::Fixed(length),
        _ => return Err(format!("the column {name} of the Parquet file has no known type")),
    };
    // UTF8, ENUM and JSON, in the older and the newer notation.
    let is_text = element.int(6).is_some_and(|kind| [0, 4, 19].contains(&kind))
        || element.field(10).is_some_and(|kind| [1, 4, 12].iter().any(|id| kind.field(*id).is_some()));
    let Way { steps, definition, repetition, .. } = way;
    Ok(Column { name, kind, is_text, steps, definition, repetition })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn element(fields: &[(i16, i64)], name: &str) -> Value {
        let mut all: Vec<(i16, Value)> = fields.iter().map(|(id, number)| (*id, Value::Int(*number))).collect();
        all.push((4, Value::Binary(name.into())));
        Value::Struct(all)
    }

    #[test]
    fn lists_and_structures_become_steps() {
        // images: list of {bytes, path}
        let schema = [
            element(&[(5, 1)], "schema"),
            element(&[(3, 1), (5, 1), (6, 3)], "images"),
            element(&[(3, 2), (5, 1)], "list"),
            element(&[(3, 1), (5, 2)], "element"),
            element(&[(1, 6), (3, 1)], "bytes"),
            element(&[(1, 6), (3, 1), (6, 0)], "path"),
        ];
        let columns = columns(&schema).expect("sound");
        let [bytes, path] = &columns[..] else { panic!("two columns") };
        assert_eq!((bytes.name.as_str(), bytes.is_text, path.is_text), ("images.bytes", false, true));
        assert_eq!((path.definition, path.repetition), (4, 1));
        let expected = [
            Step::Field("images".into()),
            Step::Optional(1),
            Step::List { level: 1, definition: 2 },
            Step::Optional(3),
            Step::Field("path".into()),
            Step::Optional(4),
        ];
        assert_eq!(path.steps, expected);
    }

    #[test]
    fn schemas_that_end_early_or_nest_too_deeply_are_refused() {
        assert!(columns(&[]).is_err());
        assert!(columns(&[element(&[(5, 1)], "schema")]).is_err());
        let deep: Vec<Value> = (0..40).map(|_| element(&[(5, 1)], "x")).collect();
        assert!(columns(&deep).is_err());
    }
}
