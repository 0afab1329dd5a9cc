//! What names, types and registers mean to an expression: the session as `lkdb-value` sees it.
//!
//! A name is looked for in the selected frame's blocks, then among the statics of the file that is listed,
//! then everywhere; a symbol without debug info comes last.

use std::rc::Rc;

use lkdb_base::{LinkAddr, Memory, RuntimeAddr};
use lkdb_symbols::dwarf::{Constant, DeclarationKind, LocationDescription};
use lkdb_symbols::names::{Extent, Kinds};
use lkdb_symbols::types::Type;
use lkdb_symbols::{DwarfRegister, Gone, Object, Place, SymbolKind, TypeId, TypeSource};
use lkdb_value::{Bytes, Context, Error, Named as Meaning};

use crate::Session;
use crate::names::{Named, enumeration_of, instances};

/// What a plain name can be.
const PLAIN: Kinds = Kinds::VARIABLE.or(Kinds::ENUMERATOR).or(Kinds::TYPEDEF).or(Kinds::BASE);

impl Context for Session<'_> {
    fn types(&self) -> &dyn TypeSource {
        self.symbols()
    }

    fn memory(&self) -> &dyn Memory {
        Session::memory(self)
    }

    fn named(&self, name: &str) -> Result<Meaning, Error> {
        self.named_in_frame(name).map_or_else(|| self.global(name), Ok)
    }

    fn global(&self, name: &str) -> Result<Meaning, Error> {
        let unit = self.unit_of_frame();
        if let Some(function) = self.function_named(name) {
            return Ok(function);
        }
        if let Some(ty) = self.plain_type(name)? {
            return Ok(ty);
        }
        let found = self.names().find(self.symbols().objects(), name, PLAIN, Extent::All);
        let here = |named: &&Named| self.is_listed_unit(named);
        let in_frame = |named: &&Named| unit == Some((named.object, named.die.unit));
        let all = || found.iter();
        let best = all()
            .find(in_frame)
            .or_else(|| all().find(|named| self.is_external(named)))
            .or_else(|| all().find(here));
        for named in best.into_iter().chain(found.iter()) {
            if let Some(meaning) = self.meaning(name, named)? {
                return Ok(meaning);
            }
        }
        if let Some(ty) = self.symbols().type_named(name) {
            return Ok(Meaning::Type(ty));
        }
        let clone = || self.function_of_other_symbol(name);
        self.bare(name).or_else(clone).ok_or_else(|| Error::NoSymbol(name.to_owned()))
    }

    fn scoped(&self, scope: &str, name: &str) -> Result<Meaning, Error> {
        let nothing = || Error::Operation(format!("No symbol \"{name}\" in specified context."));
        let mut units = Vec::new();
        for object in self.symbols().objects() {
            let Some(dwarf) = object.dwarf() else { continue };
            let files = dwarf.files_named(scope).map_err(|error| Error::Operation(error.to_string()))?;
            units.extend(files.into_iter().map(|file| (object.id, file.unit)));
        }
        if units.is_empty() {
            return Err(Error::Operation(format!("No symbol \"{scope}\" in current context.")));
        }
        let found = self.names().find(self.symbols().objects(), name, PLAIN.or(Kinds::FUNCTION), Extent::All);
        for named in found.iter().filter(|named| units.contains(&(named.object, named.die.unit))) {
            if let Some(meaning) = self.meaning(name, named)? {
                return Ok(meaning);
            }
        }
        Err(nothing())
    }

    fn tagged(&self, kind: &'static str, name: &str) -> Result<TypeId, Error> {
        let kinds = match kind {
            "struct" => Kinds::STRUCT,
            "union" => Kinds::UNION,
            _ => Kinds::ENUM,
        };
        let unknown = || Error::NoType { kind, name: name.to_owned() };
        self.symbols().tagged(kinds, name).ok_or_else(unknown)
    }

    fn type_named(&self, name: &str) -> Result<TypeId, Error> {
        let unknown = || Error::NoType { kind: "symbol", name: name.to_owned() };
        self.symbols().type_named(name).ok_or_else(unknown)
    }

    fn symbol_at(&self, address: RuntimeAddr) -> Option<String> {
        let of_file = || {
            let located = self.symbols().locate(address)?;
            Some(self.symbols().object(located.object)?.symbolic(located.address)?.to_string())
        };
        of_file().or_else(|| Some(self.module_function(address)?.around(address)))
    }

    fn register(&self, register: DwarfRegister) -> Result<Rc<[u8]>, Gone> {
        self.frame_register(register).map(|bytes| bytes.into())
    }

    fn register_named(&self, name: &str) -> Option<Result<Bytes, Error>> {
        self.register_value(name)
    }

    fn register_name(&self, register: DwarfRegister) -> Option<&'static str> {
        self.arch()?.register(register.0).map(|fact| fact.name)
    }

    fn convenience(&self, name: &str) -> Option<Bytes> {
        self.values().convenience(name).or_else(|| self.cpu_variable(name))
    }
}

impl<'d> Session<'d> {
    /// A function with code of its own, found by its symbol: quicker than by its name in the debug info.
    fn function_named(&self, name: &str) -> Option<Meaning> {
        self.symbols().objects().find_map(|object| {
            let dwarf = object.dwarf()?;
            let symbols = object.symbols_named(name);
            let code = symbols.iter().filter(|symbol| symbol.kind != SymbolKind::Object);
            code.clone().find_map(|symbol| {
                let around = dwarf.function_at(symbol.address).ok()??;
                if around.entry != symbol.address {
                    return None;
                }
                let function =
                    if around.name == name { around } else { dwarf.alias(&around, name).ok()?? };
                let ty = dwarf.type_id(function.die).ok()?;
                Some(Meaning::Function(ty, object.runtime(function.entry)?))
            })
        })
    }

    /// A function whose only code bears another symbol: what the compiler cloned is `NAME.constprop.0`.
    fn function_of_other_symbol(&self, name: &str) -> Option<Meaning> {
        self.symbols().objects().find_map(|object| {
            let dwarf = object.dwarf()?;
            let named = object.dies_named(name, Kinds::FUNCTION, Extent::All).into_iter();
            let own = instances(object, name).into_iter().filter(|(_, inlined)| !inlined);
            let dies = named.filter_map(|offset| dwarf.die_at(offset).ok()).chain(own.map(|(die, _)| die));
            let function = dies.filter_map(|die| dwarf.function(die).ok()?).next()?;
            let ty = dwarf.type_id(function.die).ok()?;
            Some(Meaning::Function(ty, object.runtime(function.entry)?))
        })
    }

    /// A type that a plain name means, where no data has that name: its first definition will do, and every unit
    /// that includes a header has another.
    fn plain_type(&self, name: &str) -> Result<Option<Meaning>, Error> {
        if self.symbols().objects().any(|object| !object.symbols_named(name).is_empty()) {
            return Ok(None);
        }
        let found = self.names().find(self.symbols().objects(), name, PLAIN, Extent::First);
        let meaning = found.first().map(|named| self.meaning(name, named)).transpose()?.flatten();
        Ok(meaning.filter(|meaning| matches!(meaning, Meaning::Type(_))))
    }

    /// Whether a DIE is of the unit whose file is listed.
    fn is_listed_unit(&self, named: &Named) -> bool {
        let Some(dwarf) = self.symbols().object(named.object).and_then(|object| object.dwarf()) else {
            return false;
        };
        let listing = self.listing();
        let unit = dwarf.unit(named.die.unit);
        listing.file().zip(unit.ok()).is_some_and(|(file, unit)| *file.name == *unit.name)
    }

    fn is_external(&self, named: &Named) -> bool {
        let Some(dwarf) = self.symbols().object(named.object).and_then(|object| object.dwarf()) else {
            return false;
        };
        let Ok((unit, entry)) = dwarf.entry(named.die) else { return false };
        dwarf.flag_of(&unit, &entry, gimli::DW_AT_external).unwrap_or(false)
    }

    /// What a DIE of file scope means; none for what has no meaning by itself.
    pub(crate) fn meaning(&self, name: &str, named: &Named) -> Result<Option<Meaning>, Error> {
        let Some(object) = self.symbols().object(named.object) else { return Ok(None) };
        let Some(dwarf) = object.dwarf() else { return Ok(None) };
        let damaged = |error: lkdb_symbols::dwarf::Error| Error::Operation(error.to_string());
        let (unit, entry) = dwarf.entry(named.die).map_err(damaged)?;
        if entry.tag() == gimli::DW_TAG_enumerator {
            let Some(parent) = enumeration_of(object, name, named.offset) else { return Ok(None) };
            let ty = dwarf.type_id(parent).map_err(damaged)?;
            let Type::Enum(one) = &*self.symbols().get(ty)? else { return Ok(None) };
            let value = one.values.iter().find(|(other, _)| **other == *name).map(|(_, value)| *value);
            return Ok(value.map(|value| Meaning::Enumerator(ty, value)));
        }
        if Kinds::of_tag(entry.tag().0).meets(Kinds::TYPES) {
            return Ok(Some(Meaning::Type(dwarf.type_id(named.die).map_err(damaged)?)));
        }
        if entry.tag() == gimli::DW_TAG_subprogram {
            let Some(function) = dwarf.function(named.die).map_err(damaged)? else { return Ok(None) };
            let ty = dwarf.type_id(named.die).map_err(damaged)?;
            return Ok(object.runtime(function.entry).map(|entry| Meaning::Function(ty, entry)));
        }
        let Some(declared) = dwarf.declaration(&unit, &entry).map_err(damaged)? else { return Ok(None) };
        let ty = dwarf.type_id_of(&unit, &entry).map_err(damaged)?;
        let ty = self.symbols().type_of_variable(ty);
        let DeclarationKind::Variable(location) = &declared.kind else { return Ok(None) };
        let size = self.symbols().size(ty).unwrap_or(8);
        Ok(self.place_of(object, declared.name, location, size).map(|place| Meaning::Variable(ty, place)))
    }

    /// Where a variable of file scope is; none when only its symbol could tell, and there is none.
    fn place_of(
        &self,
        object: &Object<'d>,
        name: &str,
        location: &LocationDescription<'d>,
        size: u64,
    ) -> Option<Place> {
        let at = |address: LinkAddr| object.runtime(address).map(Place::Memory);
        Some(match location {
            LocationDescription::Static(address) => at(*address).unwrap_or(Place::Gone(Gone::NotHere)),
            LocationDescription::Unresolved => {
                let symbols = self.symbols().objects().find_map(|object| {
                    let symbols = object.symbols_named(name);
                    object.runtime(symbols.first()?.address)
                });
                symbols.map_or_else(|| Place::Gone(Gone::NoSymbol(name.into())), Place::Memory)
            }
            LocationDescription::Constant(Constant::Bytes(bytes)) => Place::Literal((*bytes).into()),
            LocationDescription::Constant(Constant::Number(value)) => {
                let bytes = i128::from(*value).to_le_bytes();
                Place::Literal(bytes.into_iter().take(usize::try_from(size).unwrap_or(16)).collect())
            }
            LocationDescription::OptimizedOut => Place::Gone(Gone::OptimizedOut),
            _ => Place::Gone(Gone::NoFrame),
        })
    }

    /// A symbol that the debug info does not name.
    fn bare(&self, name: &str) -> Option<Meaning> {
        self.symbols().objects().find_map(|object| {
            let symbol = *object.symbols_named(name).first()?;
            let executable = object.section_at(symbol.address).is_some_and(|section| section.executable);
            let code = symbol.kind == SymbolKind::Function || executable;
            let around = || object.dwarf()?.function_at(symbol.address).ok()?;
            let same = || around().filter(|function| function.entry == symbol.address);
            let function = code.then(same).flatten();
            let function = function.and_then(|function| object.dwarf()?.type_id(function.die).ok());
            Some(Meaning::Bare { address: object.runtime(symbol.address)?, code, function })
        })
    }
}
