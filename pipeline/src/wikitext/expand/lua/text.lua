-- mw.ustring, mw.text and mw.uri.
local shared = ...
local native, base, mw, host = shared.native, shared.base, shared.mw, shared.host
local tostring, pairs, ipairs = base.tostring, base.pairs, base.ipairs

local ustring = { maxPatternLength = math.huge, maxStringLength = math.huge }
mw.ustring = ustring
for name, f in pairs(native.ustring) do
    ustring[name] = f
end
ustring.byte, ustring.format, ustring.rep = string.byte, string.format, string.rep
function ustring.gmatch(s, pattern)
    s = tostring(s)
    local at = 1
    local function step(after, ...)
        at = after
        return ...
    end
    return function()
        if at then
            return step(native.next_match(s, pattern, at, true))
        end
    end
end
function ustring.gcodepoint(s, first, last)
    local points, i = { ustring.codepoint(s, first or 1, last or -1) }, 0
    return function()
        i = i + 1
        return points[i]
    end
end

local text = {}
mw.text = text
text.encode, text.decode, text.killMarkers = native.encode_entities, native.decode_entities, native.string_of
text.unstrip, text.unstripNoWiki = native.string_of, native.string_of
text.JSON_PRESERVE_KEYS, text.JSON_TRY_FIXING, text.JSON_PRETTY = 1, 2, 4

function text.jsonDecode(source, flags)
    return native.json_decode(source, flags or 0)
end
function text.jsonEncode(value, flags)
    return native.json_encode(mw.clone(value), flags or 0)
end

function text.trim(s, set)
    set = set or '\t\r\n\f '
    return native.trim(s, '[' .. set .. ']')
end

function text.gsplit(s, pattern, plain)
    s = tostring(s)
    local at, length, done = 1, ustring.len(s), false
    return function()
        if done then
            return nil
        end
        local first, last = ustring.find(s, pattern, at, plain)
        local piece
        if not first then
            done = true
            piece = ustring.sub(s, at)
        elseif last < first then
            -- An empty match parts all characters.
            piece = ustring.sub(s, at, first == at and at or first)
            at = (first == at and at or first) + 1
            done = at > length
        else
            piece = first > at and ustring.sub(s, at, first - 1) or ''
            at = last + 1
        end
        return piece
    end
end

function text.split(s, pattern, plain)
    local pieces = {}
    for piece in text.gsplit(s, pattern, plain) do
        pieces[#pieces + 1] = piece
    end
    return pieces
end

function text.listToText(list, separator, conjunction)
    separator = separator or ', '
    conjunction = conjunction or host('and')
    local count = #list
    if count < 2 then
        return tostring(list[1] or '')
    end
    return table.concat(list, separator, 1, count - 1) .. conjunction .. tostring(list[count])
end

function text.truncate(s, length, ellipsis, adjust)
    local all = ustring.len(s)
    if all <= math.abs(length) then
        return s
    end
    ellipsis = ellipsis or '…'
    local keep = math.abs(length)
    if adjust then
        keep = keep - ustring.len(ellipsis)
    end
    if keep <= 0 then
        return ellipsis
    end
    if length > 0 then
        return ustring.sub(s, 1, keep) .. ellipsis
    end
    return ellipsis .. ustring.sub(s, all - keep + 1)
end

local escapes = { ['"'] = '&#34;', ['&'] = '&#38;', ["'"] = '&#39;', ['<'] = '&#60;', ['='] = '&#61;',
    ['>'] = '&#62;', ['['] = '&#91;', [']'] = '&#93;', ['{'] = '&#123;', ['|'] = '&#124;', ['}'] = '&#125;',
    [';'] = '&#59;' }
function text.nowiki(s)
    s = tostring(s):gsub('["&\'<=>%[%]{|};]', escapes)
    s = s:gsub('\n([#*: \n])', function(first)
        return '\n&#' .. first:byte() .. ';'
    end)
    s = s:gsub('^([#*: \n])', function(first)
        return '&#' .. first:byte() .. ';'
    end)
    return (s:gsub('://', '&#58;//'):gsub('__', '_&#95;'))
end

function text.tag(name, attributes, content)
    if type(name) == 'table' then
        name, attributes, content = name.name, name.attrs, name.content
    end
    local out = { '<' .. tostring(name) }
    local keys = {}
    for key in pairs(attributes or {}) do
        keys[#keys + 1] = tostring(key)
    end
    table.sort(keys)
    for _, key in ipairs(keys) do
        local value = attributes[key]
        if value == true then
            out[#out + 1] = ' ' .. key
        elseif value ~= nil and value ~= false then
            out[#out + 1] = ' ' .. key .. '="' .. native.encode_entities(tostring(value)) .. '"'
        end
    end
    if content == nil then
        out[#out + 1] = '>'
    elseif content == false then
        out[#out + 1] = ' />'
    else
        out[#out + 1] = '>' .. tostring(content) .. '</' .. tostring(name) .. '>'
    end
    return table.concat(out)
end

local uri = {}
mw.uri = uri
function uri.encode(s, how)
    return native.url_encode(tostring(s), how or 'QUERY')
end
function uri.decode(s, how)
    return native.url_decode(tostring(s), how or 'QUERY')
end
function uri.anchorEncode(s)
    return (tostring(s):gsub('%s+', '_'))
end

function uri.buildQueryString(query)
    local keys, out = {}, {}
    for key in pairs(query) do
        keys[#keys + 1] = key
    end
    table.sort(keys, function(a, b)
        return tostring(a) < tostring(b)
    end)
    local function add(key, value)
        if type(value) == 'table' then
            for inner, one in pairs(value) do
                add(key .. '[' .. tostring(inner) .. ']', one)
            end
        elseif value ~= false then
            out[#out + 1] = uri.encode(key) .. '=' .. uri.encode(tostring(value))
        else
            out[#out + 1] = uri.encode(key)
        end
    end
    for _, key in ipairs(keys) do
        add(tostring(key), query[key])
    end
    return table.concat(out, '&')
end

function uri.parseQueryString(s)
    local query = {}
    for piece in tostring(s):gmatch('[^&]+') do
        local key, value = piece:match('^([^=]*)=(.*)$')
        if key then
            query[uri.decode(key)] = uri.decode(value)
        else
            query[uri.decode(piece)] = false
        end
    end
    return query
end

local uri_meta = {}
shared.private[uri_meta] = true
uri_meta.__index = function(t, name)
    if name == 'hostPort' then
        return (t.host or '') .. (t.port and ':' .. t.port or '')
    elseif name == 'authority' then
        return t.host and t.hostPort or nil
    elseif name == 'queryString' then
        return t.query and next(t.query) ~= nil and uri.buildQueryString(t.query) or nil
    elseif name == 'relativePath' then
        return (t.path or '') .. (t.queryString and '?' .. t.queryString or '')
            .. (t.fragment and '#' .. t.fragment or '')
    end
end
uri_meta.__tostring = function(t)
    local authority = t.host and '//' .. t.hostPort or ''
    return (t.protocol and t.protocol .. ':' or '') .. authority .. t.relativePath
end

function uri.new(source)
    local self = setmetatable({}, uri_meta)
    if type(source) == 'table' then
        for key, value in pairs(source) do
            self[key] = value
        end
        return self
    end
    local rest = tostring(source or '')
    local before, fragment = rest:match('^([^#]*)#(.*)$')
    if before then
        rest, self.fragment = before, fragment
    end
    local path, query = rest:match('^([^?]*)%?(.*)$')
    if path then
        rest, self.query = path, uri.parseQueryString(query)
    end
    local protocol, behind = rest:match('^(%a[%w+.-]*):(.*)$')
    if protocol then
        self.protocol, rest = protocol:lower(), behind
    end
    local authority, behind_authority = rest:match('^//([^/]*)(.*)$')
    if authority then
        local name, port = authority:match('^(.-):(%d+)$')
        self.host, self.port, rest = name or authority, tonumber(port), behind_authority
    end
    self.path = rest
    return self
end
function uri.validate(t)
    return type(t) == 'table', ''
end

local function page_address(prefix, page, query)
    if type(query) == 'table' then
        query = uri.buildQueryString(query)
    end
    return uri.new(prefix .. (query and query ~= '' and '/w/index.php?title=' .. uri.encode(page, 'WIKI') .. '&' .. query
        or '/wiki/' .. uri.encode(page, 'WIKI')))
end
function uri.localUrl(page, query)
    return page_address('', tostring(page), query)
end
function uri.fullUrl(page, query)
    return page_address(host('site').server, tostring(page), query)
end
function uri.canonicalUrl(page, query)
    return page_address('https:' .. host('site').server, tostring(page), query)
end
