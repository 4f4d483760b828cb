//! Which top-level fields of a view are made. A list of ten thousand queues that is sorted by one field needs that field of each, not all seventy.

use serde::Serialize;
use serde::ser::{Error as _, SerializeMap, SerializeStruct, Serializer};
use serde_json::value::Serializer as Whole;
use serde_json::{Error, Map, Value};

/// The fields that are wanted of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fields {
    /// All.
    All,
    /// Those of these names.
    Named(Vec<String>),
}

impl Fields {
    /// Those at which paths begin.
    pub(super) fn of_paths<'a>(paths: impl IntoIterator<Item = &'a Vec<String>>) -> Self {
        Self::Named(paths.into_iter().filter_map(|path| path.first().cloned()).collect())
    }

    /// The view with the fields that are wanted; all of it if it is no object.
    pub(super) fn of(&self, view: &impl Serialize) -> Option<Value> {
        match self {
            Self::All => serde_json::to_value(view).ok(),
            Self::Named(names) => view.serialize(Picker(names)).ok(),
        }
    }

    /// Whether all that are wanted are among these.
    pub(super) fn are_among(&self, names: &[&str]) -> bool {
        match self {
            Self::All => false,
            Self::Named(wanted) => wanted.iter().all(|field| names.contains(&field.as_str())),
        }
    }
}

/// Makes the fields of an object that are wanted, and leaves the others alone.
struct Picker<'a>(&'a [String]);

/// An object that is being made.
struct Object<'a> {
    wanted: &'a [String],
    fields: Map<String, Value>,
    /// The key whose value is next, if it is wanted.
    key: Option<String>,
}

impl Object<'_> {
    fn add(&mut self, key: &str, value: &(impl Serialize + ?Sized)) -> Result<(), Error> {
        if self.wanted.iter().any(|wanted| wanted == key) {
            self.fields.insert(key.to_owned(), serde_json::to_value(value)?);
        }
        Ok(())
    }
}

impl SerializeMap for Object<'_> {
    type Ok = Value;
    type Error = Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Error> {
        let Value::String(key) = key.serialize(Whole)? else {
            return Err(Error::custom("a key is a string"));
        };
        self.key = Some(key).filter(|key| self.wanted.contains(key));
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        if let Some(key) = self.key.take() {
            self.fields.insert(key, serde_json::to_value(value)?);
        }
        Ok(())
    }

    fn end(self) -> Result<Value, Error> {
        Ok(Value::Object(self.fields))
    }
}

impl SerializeStruct for Object<'_> {
    type Ok = Value;
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), Error> {
        self.add(key, value)
    }

    fn end(self) -> Result<Value, Error> {
        Ok(Value::Object(self.fields))
    }
}

/// What is no object is made as a whole.
macro_rules! whole {
    ($($name:ident($($type:ty),*)),+ $(,)?) => {
        $(whole!(@one $name, $($type),*);)+
    };
    (@one $name:ident,) => {
        fn $name(self) -> Result<Value, Error> { Whole.$name() }
    };
    (@one $name:ident, $type:ty) => {
        fn $name(self, value: $type) -> Result<Value, Error> { Whole.$name(value) }
    };
}

impl<'a> Serializer for Picker<'a> {
    type Ok = Value;
    type Error = Error;
    type SerializeSeq = <Whole as Serializer>::SerializeSeq;
    type SerializeTuple = <Whole as Serializer>::SerializeTuple;
    type SerializeTupleStruct = <Whole as Serializer>::SerializeTupleStruct;
    type SerializeTupleVariant = <Whole as Serializer>::SerializeTupleVariant;
    type SerializeMap = Object<'a>;
    type SerializeStruct = Object<'a>;
    type SerializeStructVariant = <Whole as Serializer>::SerializeStructVariant;

    whole! {
        serialize_bool(bool), serialize_i8(i8), serialize_i16(i16), serialize_i32(i32), serialize_i64(i64),
        serialize_u8(u8), serialize_u16(u16), serialize_u32(u32), serialize_u64(u64), serialize_f32(f32),
        serialize_f64(f64), serialize_char(char), serialize_str(&str), serialize_bytes(&[u8]),
        serialize_none(), serialize_unit(), serialize_unit_struct(&'static str),
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Value, Error> {
        value.serialize(self)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<Value, Error> {
        value.serialize(self)
    }

    fn serialize_unit_variant(
        self,
        name: &'static str,
        at: u32,
        variant: &'static str,
    ) -> Result<Value, Error> {
        Whole.serialize_unit_variant(name, at, variant)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        at: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<Value, Error> {
        Whole.serialize_newtype_variant(name, at, variant, value)
    }

    fn serialize_seq(self, len: Option<usize>) -> Result<Self::SerializeSeq, Error> {
        Whole.serialize_seq(len)
    }

    fn serialize_tuple(self, len: usize) -> Result<Self::SerializeTuple, Error> {
        Whole.serialize_tuple(len)
    }

    fn serialize_tuple_struct(
        self,
        name: &'static str,
        len: usize,
    ) -> Result<Self::SerializeTupleStruct, Error> {
        Whole.serialize_tuple_struct(name, len)
    }

    fn serialize_tuple_variant(
        self,
        name: &'static str,
        at: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Self::SerializeTupleVariant, Error> {
        Whole.serialize_tuple_variant(name, at, variant, len)
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Object<'a>, Error> {
        Ok(Object { wanted: self.0, fields: Map::new(), key: None })
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Object<'a>, Error> {
        Ok(Object { wanted: self.0, fields: Map::new(), key: None })
    }

    fn serialize_struct_variant(
        self,
        name: &'static str,
        at: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Self::SerializeStructVariant, Error> {
        Whole.serialize_struct_variant(name, at, variant, len)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[derive(Serialize)]
    struct Inner {
        name: &'static str,
        size: u32,
    }

    #[derive(Serialize)]
    struct View {
        #[serde(flatten)]
        inner: Inner,
        stats: Value,
        unwanted: Unmakeable,
    }

    /// Whoever makes it fails.
    struct Unmakeable;

    impl Serialize for Unmakeable {
        fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(S::Error::custom("it was made"))
        }
    }

    fn named(names: &[&str]) -> Fields {
        Fields::Named(names.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn what_is_not_wanted_is_not_made() {
        let view =
            || View { inner: Inner { name: "q", size: 3 }, stats: json!({ "a": 1 }), unwanted: Unmakeable };
        assert_eq!(
            named(&["stats", "name", "none"]).of(&view()),
            Some(json!({ "name": "q", "stats": { "a": 1 } }))
        );
        assert_eq!(named(&["size"]).of(&view().inner), Some(json!({ "size": 3 })));
        assert_eq!(named(&["a"]).of(&Some(json!({ "a": [1], "b": 2 }))), Some(json!({ "a": [1] })));
        assert_eq!((Fields::All.of(&view()), named(&["unwanted"]).of(&view())), (None, None));
        assert_eq!(Fields::All.of(&view().inner), Some(json!({ "name": "q", "size": 3 })));
    }

    #[test]
    fn what_is_no_object_is_made_as_a_whole() {
        for value in [json!(1), json!("a"), json!([{ "a": 1, "b": 2 }]), json!(null), json!(1.5), json!(true)]
        {
            assert_eq!(named(&["a"]).of(&value), Some(value));
        }
    }

    #[test]
    fn fields_are_those_at_which_paths_begin() {
        let paths = [vec!["a".to_owned(), "b".to_owned()], vec!["c".to_owned()]];
        let fields = Fields::of_paths(&paths);
        assert_eq!(fields, named(&["a", "c"]));
        assert!(
            fields.are_among(&["a", "c", "d"]) && !fields.are_among(&["a"]) && !Fields::All.are_among(&["a"])
        );
    }
}
