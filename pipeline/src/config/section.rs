//! One declaration a config section: its struct, its defaults and the list of its keys cannot drift apart.

/// Declares a section: a struct with serde's strict reading, `Default`, and `KEYS`.
macro_rules! section {
    (
        $(#[$doc:meta])*
        $name:ident {
            $($(#[$key_doc:meta])* $key:ident: $type:ty = $default:expr),+ $(,)?
        }
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct $name {
            $($(#[$key_doc])* pub $key: $type),+
        }

        impl $name {
            /// The section's keys.
            pub const KEYS: &'static [&'static str] = &[$(stringify!($key)),+];
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $($key: $default),+ }
            }
        }
    };
}

pub(super) use section;
