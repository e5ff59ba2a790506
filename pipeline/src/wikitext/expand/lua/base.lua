-- What every module sees: Lua 5.1 without what could reach outside, time or another page, and frames.
-- `native` has the functions of strings.rs and machine.rs; what is returned here is called by mod.rs.
-- The interface is that of the Scribunto reference manual on mediawiki.org; the code is our own.
local native, libraries = ...

local raw_getfenv, raw_setfenv, raw_getmetatable = getfenv, setfenv, getmetatable
local raw_pcall, raw_xpcall, raw_tostring, raw_sort = pcall, xpcall, tostring, table.sort
local raw_insert, raw_remove, raw_concat = table.insert, table.remove, table.concat
local raw_next, raw_globals = next, _G
local type, select, error, setmetatable, rawget, rawset = type, select, error, setmetatable, rawget, rawset

local base = { _VERSION = _VERSION }
for _, name in ipairs { 'assert', 'error', 'next', 'rawequal', 'rawget', 'rawset', 'select', 'setmetatable',
    'tonumber', 'type', 'unpack' } do
    base[name] = raw_globals[name]
end

-- Errors that end the page are not for modules to catch.
local function settle(ok, ...)
    if ok then
        return true, ...
    end
    if native.stopped() then
        error('stopped', 0)
    end
    local message = ...
    if type(message) == 'userdata' then
        message = native.message(message)
    end
    return false, message
end

function base.pcall(f, ...)
    return settle(raw_pcall(f, ...))
end

function base.xpcall(f, handler)
    return settle(raw_xpcall(f, function(message)
        if native.stopped() then
            return message
        end
        if type(message) == 'userdata' then
            message = native.message(message)
        end
        return handler(message)
    end))
end

-- Metatables that all pages share are shown as copies.
local private = {}
local copy_of

function base.getmetatable(value)
    if type(value) ~= 'table' then
        return nil
    end
    local meta = raw_getmetatable(value)
    if meta ~= nil and private[meta] then
        return copy_of(meta, {}, false)
    end
    return meta
end

-- Addresses differ from run to run.
function base.tostring(value)
    local kind = type(value)
    if kind == 'table' then
        local meta = raw_getmetatable(value)
        if type(meta) == 'table' and meta.__tostring then
            return meta.__tostring(value)
        end
        return kind
    elseif kind == 'function' or kind == 'userdata' then
        return kind
    end
    return raw_tostring(value)
end
local tostring = base.tostring

function base.pairs(t)
    local meta = raw_getmetatable(t)
    if type(meta) == 'table' and meta.__pairs then
        return meta.__pairs(t)
    end
    if type(t) ~= 'table' then
        error("bad argument #1 to 'pairs' (table expected, got " .. (t == nil and 'nil' or type(t)) .. ')', 2)
    end
    return raw_next, t, nil
end
local pairs = base.pairs

local function next_index(t, i)
    i = i + 1
    local value = t[i]
    if value ~= nil then
        return i, value
    end
end

local function next_raw_index(t, i)
    i = i + 1
    local value = rawget(t, i)
    if value ~= nil then
        return i, value
    end
end

function base.ipairs(t)
    local meta = raw_getmetatable(t)
    if type(meta) == 'table' and meta.__ipairs then
        return meta.__ipairs(t)
    end
    if type(t) ~= 'table' then
        error("bad argument #1 to 'ipairs' (table expected, got " .. (t == nil and 'nil' or type(t)) .. ')', 2)
    end
    return next_raw_index, t, 0
end
local ipairs = base.ipairs

-- The environment of what is not a module's own stays hidden.
local function level_above(target)
    if target == nil then
        return 3
    elseif type(target) == 'number' and target > 0 then
        return target + 2
    end
    return target
end

function base.getfenv(target)
    local ok, found = raw_pcall(raw_getfenv, level_above(target))
    if ok and found ~= raw_globals and target ~= 0 then
        return found
    end
    return nil
end

function base.setfenv(target, environment)
    if type(target) ~= 'function' or raw_getfenv(target) == raw_globals then
        error("'setfenv' cannot set the requested environment", 2)
    end
    return raw_setfenv(target, environment)
end

-- string: the parts whose time no instruction count tells are native.
for name, f in pairs(native.string) do
    string[name] = f
end
string.dump, string.gfind = nil, nil
function string.gmatch(s, pattern)
    s = tostring(s)
    local at = 1
    local function step(after, ...)
        at = after
        return ...
    end
    return function()
        if at then
            return step(native.next_match(s, pattern, at, false))
        end
    end
end
base.string = string

-- table: with what walks over many elements charged for.
base.table = { maxn = table.maxn, getn = table.getn, unpack = unpack }
function base.table.insert(t, ...)
    if select('#', ...) > 1 and type(t) == 'table' then
        native.charge(#t)
    end
    return raw_insert(t, ...)
end
function base.table.remove(t, ...)
    if select('#', ...) > 0 and type(t) == 'table' then
        native.charge(#t)
    end
    return raw_remove(t, ...)
end
function base.table.concat(t, ...)
    if type(t) == 'table' then
        native.charge(#t)
    end
    return raw_concat(t, ...)
end
local function smaller(a, b)
    return a < b
end
function base.table.sort(t, compare)
    return raw_sort(t, compare or smaller)
end
function base.table.foreach(t, f)
    for key, value in pairs(t) do
        local result = f(key, value)
        if result ~= nil then
            return result
        end
    end
end
function base.table.foreachi(t, f)
    for i = 1, #t do
        local result = f(i, t[i])
        if result ~= nil then
            return result
        end
    end
end

-- math: the random numbers of C are shared by all threads; these are the same on every page (Park and Miller 1988).
base.math = {}
for name, f in pairs(math) do
    base.math[name] = f
end
local seed = 1
function base.math.randomseed(value)
    seed = math.floor(math.abs(tonumber(value) or 0)) % 2147483646 + 1
end
function base.math.random(first, last)
    seed = seed * 16807 % 2147483647
    local share = (seed - 1) / 2147483646
    if first == nil then
        return share
    end
    if last == nil then
        first, last = 1, first
    end
    if last < first then
        error("bad argument to 'random' (interval is empty)", 2)
    end
    return math.floor(share * (last - first + 1)) + first
end

base.debug = {
    traceback = function(message)
        return tostring(message)
    end,
}

local mw = {}
base.mw = mw

-- State of the call that is running.
local host, environment, current_frame

function copy_of(value, seen, metatables)
    if type(value) ~= 'table' then
        return value
    end
    if seen[value] then
        return seen[value]
    end
    local copy = {}
    seen[value] = copy
    for key, inner in raw_next, value do
        rawset(copy, copy_of(key, seen, metatables), copy_of(inner, seen, metatables))
    end
    local meta = raw_getmetatable(value)
    if meta then
        setmetatable(copy, metatables and not private[meta] and copy_of(meta, seen, metatables) or meta)
    end
    return copy
end

function mw.clone(value)
    return copy_of(value, {}, true)
end

base.os = {
    clock = function()
        return 0
    end,
    time = function(t)
        if t == nil then
            return host('now')
        end
        return native.time(t.year, t.month, t.day, t.hour or 12, t.min or 0, t.sec or 0)
    end,
    date = function(format, when)
        return native.date(format or '%c', when or host('now'))
    end,
    difftime = function(a, b)
        return a - b
    end,
}

-- Frames. 0 is that of the call, 1 the template it stands in, the others are made by newChild.
local frame_methods = {}
local frame_meta = { __index = frame_methods }
private[frame_meta] = true
local handles = setmetatable({}, { __mode = 'k' })

local function number_of(name)
    if name:find('^-?[1-9]%d*$') or name == '0' then
        return tonumber(name)
    end
    return name
end

local function arguments_of(call, handle)
    local known = {}
    local function get(_, name)
        name = tostring(name)
        local value = known[name]
        if value == nil then
            value = call('argument', handle, name) or false
            known[name] = value
        end
        return value or nil
    end
    local function all(t)
        local every = {}
        for _, name in ipairs(call('names', handle)) do
            every[number_of(name)] = get(t, name)
        end
        for name, value in raw_next, t do
            every[name] = value
        end
        return raw_next, every, nil
    end
    return setmetatable({}, {
        __index = get,
        __pairs = all,
        __ipairs = function(t)
            return next_index, t, 0
        end,
    })
end

local function new_frame(call, handle)
    local frame = setmetatable({ args = arguments_of(call, handle) }, frame_meta)
    handles[frame] = { call = call, number = handle }
    return frame
end

local function handle_of(frame, name)
    local handle = handles[frame]
    if not handle then
        error(name .. ": invalid frame; did you call it with '.' instead of ':'?", 3)
    end
    return handle.call, handle.number
end

local function as_text(value, where)
    local kind = type(value)
    if kind == 'string' then
        return value
    elseif kind == 'number' then
        return tostring(value)
    elseif kind == 'boolean' then
        return value and '1' or ''
    end
    error(where .. ': a string or number is wanted, found ' .. kind, 3)
end

local function plain_arguments(arguments, where)
    local out = {}
    for name, value in pairs(arguments or {}) do
        local kind = type(name)
        if kind ~= 'string' and kind ~= 'number' then
            error(where .. ': arguments must be named by strings or numbers', 3)
        end
        out[tostring(name)] = as_text(value, where)
    end
    return out
end

function frame_methods:getParent()
    local call, number = handle_of(self, 'getParent')
    if number ~= 0 or not call('has_parent') then
        return nil
    end
    local handle = handles[self]
    handle.parent = handle.parent or new_frame(call, 1)
    return handle.parent
end

function frame_methods:getTitle()
    local call, number = handle_of(self, 'getTitle')
    return call('frame_title', number)
end

function frame_methods:newChild(options)
    local call = handle_of(self, 'newChild')
    local number = call('child', options.title and tostring(options.title), plain_arguments(options.args, 'newChild'))
    return new_frame(call, number)
end

function frame_methods:preprocess(options)
    local call, number = handle_of(self, 'preprocess')
    local text = options
    if type(options) == 'table' then
        text = options.text
    end
    return call('preprocess', number, as_text(text, 'preprocess'))
end

function frame_methods:expandTemplate(options)
    local call, number = handle_of(self, 'expandTemplate')
    if type(options) ~= 'table' or options.title == nil then
        error('expandTemplate: a title is required', 2)
    end
    return call('template', number, tostring(options.title), plain_arguments(options.args, 'expandTemplate'))
end

function frame_methods:callParserFunction(name, arguments, ...)
    local call, number = handle_of(self, 'callParserFunction')
    if type(name) == 'table' then
        name, arguments = name.name, name.args
    elseif type(arguments) ~= 'table' then
        arguments = { arguments, ... }
    end
    if type(arguments) ~= 'table' then
        arguments = { arguments }
    end
    local numbered, named = {}, {}
    for key, value in pairs(arguments) do
        if type(key) == 'number' then
            numbered[key] = as_text(value, 'callParserFunction')
        else
            named[tostring(key)] = as_text(value, 'callParserFunction')
        end
    end
    return call('function', number, as_text(name, 'callParserFunction'), numbered, named)
end

function frame_methods:extensionTag(name, content, attributes)
    local call = handle_of(self, 'extensionTag')
    if type(name) == 'table' then
        name, content, attributes = name.name, name.content, name.args
    end
    local named = {}
    if type(attributes) == 'table' then
        named = plain_arguments(attributes, 'extensionTag')
    end
    return call('tag', as_text(name, 'extensionTag'), content ~= nil and as_text(content, 'extensionTag') or '', named)
end

function frame_methods:getArgument(options)
    local name = type(options) == 'table' and options.name or options
    local value = self.args[name]
    if value == nil then
        return nil
    end
    return {
        expand = function()
            return value
        end,
    }
end

function frame_methods:newParserValue(options)
    local frame, text = self, type(options) == 'table' and options.text or options
    return {
        expand = function()
            return frame:preprocess(text)
        end,
    }
end

function frame_methods:newTemplateParserValue(options)
    local frame = self
    return {
        expand = function()
            return frame:expandTemplate(options)
        end,
    }
end

function frame_methods:argumentPairs()
    return pairs(self.args)
end

function mw.getCurrentFrame()
    return current_frame
end

function mw.allToString(...)
    local out = {}
    for i = 1, select('#', ...) do
        out[i] = tostring((select(i, ...)))
    end
    return raw_concat(out, '\t')
end

function mw.log() end
function mw.logObject() end
function mw.addWarning() end
function mw.incrementExpensiveFunctionCount() end
function mw.isSubsting()
    return false
end
function mw.dumpObject(value)
    return tostring(value)
end

-- Full name and source of a module.
local function find_module(name)
    local found = host('module', tostring(name))
    if found then
        return found[1], found[2]
    end
end

-- Modules: compiled once, run anew in each call.
local compiled = {}
local running = {}

-- A function made of a module's source, with an environment of its own.
local function chunk_of(name, source, own_environment)
    local chunk = compiled[name]
    if not chunk or running[name] then
        local message
        chunk, message = native.compile(source, name)
        if not chunk then
            error(message, 0)
        end
        compiled[name] = chunk
    end
    raw_setfenv(chunk, own_environment)
    return chunk
end

local function execute(name, chunk)
    running[name] = (running[name] or 0) + 1
    local value = chunk(name)
    running[name] = running[name] > 1 and running[name] - 1 or nil
    return value
end

local plain_libraries = {}

local function new_environment()
    local own = copy_of(base, {}, false)
    own._G = own
    local loaded = { _G = own, string = own.string, table = own.table, math = own.math, mw = own.mw, os = own.os,
        debug = own.debug, ['mw.text'] = own.mw.text, ['mw.html'] = own.mw.html, ['mw.title'] = own.mw.title,
        ['mw.language'] = own.mw.language, ['mw.message'] = own.mw.message, ['mw.site'] = own.mw.site,
        ['mw.uri'] = own.mw.uri, ['mw.ustring'] = own.mw.ustring, ustring = own.mw.ustring }
    own.package = { loaded = loaded, preload = {}, path = '', cpath = '', loaders = {} }
    local loading = {}
    function own.require(name)
        if type(name) ~= 'string' then
            error("bad argument #1 to 'require' (string expected, got " .. type(name) .. ')', 2)
        end
        local value = loaded[name]
        if value ~= nil then
            return value
        end
        local preload = own.package.preload[name]
        if preload then
            value = preload(name)
        elseif plain_libraries[name] then
            value = plain_libraries[name](own)
        else
            local full, source = find_module(name)
            if not full then
                error("module '" .. name .. "' not found", 2)
            end
            if loaded[full] ~= nil then
                loaded[name] = loaded[full]
                return loaded[full]
            end
            if loading[full] then
                error("loop or previous error loading module '" .. name .. "'", 2)
            end
            loading[full] = true
            value = execute(full, chunk_of(full, source, own))
            loading[full] = nil
            if value == nil then
                value = loaded[name]
            end
            if value == nil then
                value = true
            end
            loaded[full] = value
        end
        if value == nil then
            value = true
        end
        loaded[name] = value
        return value
    end
    return own
end

-- loadData: run once a page, given out so that nobody can change it.
local data

local function read_only(value)
    if type(value) ~= 'table' then
        return value
    end
    local views = {}
    local function view(inner)
        if type(inner) ~= 'table' then
            return inner
        end
        if not views[inner] then
            views[inner] = setmetatable({}, {
                mw_loadData = true,
                __index = function(_, key)
                    return view(inner[key])
                end,
                __newindex = function()
                    error('table from mw.loadData is read-only', 2)
                end,
                __pairs = function(t)
                    return function(_, key)
                        local after, found = raw_next(inner, key)
                        return after, view(found)
                    end, t, nil
                end,
                __ipairs = function(t)
                    return function(_, i)
                        i = i + 1
                        local found = view(inner[i])
                        if found ~= nil then
                            return i, found
                        end
                    end, t, 0
                end,
            })
        end
        return views[inner]
    end
    return view(value)
end

local function check_data(value, seen)
    local kind = type(value)
    if kind == 'table' then
        if seen[value] then
            return
        end
        seen[value] = true
        if raw_getmetatable(value) then
            error('data for mw.loadData contains a table with a metatable', 0)
        end
        for key, inner in raw_next, value do
            check_data(key, seen)
            check_data(inner, seen)
        end
    elseif kind ~= 'nil' and kind ~= 'string' and kind ~= 'number' and kind ~= 'boolean' then
        error("data for mw.loadData contains unsupported data type '" .. kind .. "'", 0)
    end
end

function mw.loadData(name)
    local full, source = find_module(name)
    if not full then
        error("module '" .. tostring(name) .. "' not found", 2)
    end
    if data[full] == nil then
        local frame = current_frame
        current_frame = nil
        local value = execute(full, chunk_of(full, source, new_environment()))
        current_frame = frame
        if type(value) ~= 'table' then
            error(full .. ' returned ' .. type(value) .. ', table expected', 2)
        end
        check_data(value, {})
        data[full] = read_only(value)
    end
    return data[full]
end

function mw.loadJsonData(name)
    local full, source = find_module(name)
    if not full then
        error("module '" .. tostring(name) .. "' not found", 2)
    end
    local key = 'json ' .. full
    if data[key] == nil then
        data[key] = read_only(native.json_decode(source, 0))
    end
    return data[key]
end

-- For the other files of the prelude: what is running, by functions, so that no copy of it goes stale.
local shared = {
    native = native,
    base = base,
    mw = mw,
    plain_libraries = plain_libraries,
    private = private,
    as_text = as_text,
    host = function(...)
        return host(...)
    end,
}
for _, library in ipairs(libraries) do
    library(shared)
end

local function begin_page()
    data, running = {}, {}
end
begin_page()

local function concatenated(...)
    local parts = {}
    for i = 1, select('#', ...) do
        local part = select(i, ...)
        parts[i] = part == nil and '' or tostring(part)
    end
    return raw_concat(parts)
end

-- Calls a module's function; the kind of what went wrong comes first.
local function run(new_host, name, source, wanted)
    local old_host, old_frame, old_seed = host, current_frame, seed
    local old_running = {}
    for module, count in raw_next, running do
        old_running[module] = count
    end
    host, current_frame, seed = new_host, new_frame(new_host, 0), 1
    local kind, result = 'error', nil
    local ok, message = raw_pcall(function()
        kind = 'syntax'
        local own = new_environment()
        local chunk = chunk_of(name, source, own)
        kind = 'error'
        local module = execute(name, chunk)
        if type(module) ~= 'table' then
            kind = 'no_function'
            error('the module gives no table', 0)
        end
        local f = module[wanted]
        if f == nil then
            kind = 'no_function'
            error('no such function', 0)
        end
        result = concatenated(f(current_frame))
    end)
    host, current_frame, seed = old_host, old_frame, old_seed
    if ok then
        return true, result
    end
    running = old_running
    return false, kind, type(message) == 'userdata' and native.message(message) or tostring(message)
end

return run, begin_page
