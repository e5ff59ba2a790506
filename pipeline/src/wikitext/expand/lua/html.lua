-- mw.html: elements put together and written out.
local shared = ...
local native, base, mw = shared.native, shared.base, shared.mw
local tostring, pairs, ipairs = base.tostring, base.pairs, base.ipairs

local html = {}
mw.html = html
local methods, meta = {}, {}
meta.__index = methods
shared.private[meta] = true

local EMPTY = {}
for _, name in ipairs { 'area', 'base', 'br', 'col', 'embed', 'hr', 'img', 'input', 'link', 'meta', 'param', 'source',
    'track', 'wbr' } do
    EMPTY[name] = true
end

local function escaped(value)
    return (tostring(value):gsub('[<>&"]', { ['<'] = '&lt;', ['>'] = '&gt;', ['&'] = '&amp;', ['"'] = '&quot;' }))
end

local function is_text(value)
    local kind = type(value)
    return kind == 'string' or kind == 'number'
end

function html.create(name, options)
    if name ~= nil and name ~= '' and (type(name) ~= 'string' or not name:find('^[%w]+$')) then
        error("invalid tag name '" .. tostring(name) .. "'", 2)
    end
    local node = setmetatable({ nodes = {}, attributes = {}, styles = {}, parent = nil }, meta)
    node.tagName = name ~= '' and name or nil
    node.selfClosing = options and options.selfClosing or name and EMPTY[name:lower()] or false
    node.parent = options and options.parent
    return node
end

local function write(node, out)
    if not is_text(node) and type(node) ~= 'table' then
        out[#out + 1] = tostring(node)
        return
    end
    if type(node) ~= 'table' or getmetatable(node) ~= meta then
        out[#out + 1] = tostring(node)
        return
    end
    if node.tagName then
        out[#out + 1] = '<' .. node.tagName
        for _, attribute in ipairs(node.attributes) do
            out[#out + 1] = ' ' .. attribute.name .. '="' .. escaped(attribute.value) .. '"'
        end
        if #node.styles > 0 then
            local styles = {}
            for _, style in ipairs(node.styles) do
                styles[#styles + 1] = style.text or style.name .. ':' .. tostring(style.value)
            end
            out[#out + 1] = ' style="' .. escaped(table.concat(styles, ';')) .. '"'
        end
        if node.selfClosing then
            out[#out + 1] = ' />'
            return
        end
        out[#out + 1] = '>'
    end
    for _, inner in ipairs(node.nodes) do
        write(inner, out)
    end
    if node.tagName then
        out[#out + 1] = '</' .. node.tagName .. '>'
    end
end

meta.__tostring = function(node)
    local out = {}
    write(node, out)
    return table.concat(out)
end
meta.__concat = function(a, b)
    return tostring(a) .. tostring(b)
end

local function find(list, name)
    for i, one in ipairs(list) do
        if one.name == name then
            return i, one
        end
    end
end

local function set(list, name, value)
    local i, known = find(list, name)
    if value == nil then
        if i then
            table.remove(list, i)
        end
    elseif known then
        known.value = value
    else
        list[#list + 1] = { name = name, value = value }
    end
end

function methods:node(node)
    if node ~= nil then
        self.nodes[#self.nodes + 1] = node
    end
    return self
end

function methods:wikitext(...)
    for i = 1, select('#', ...) do
        local value = select(i, ...)
        if value == nil then
            break
        end
        self:node(type(value) == 'table' and tostring(value) or value)
    end
    return self
end

function methods:newline()
    return self:node('\n')
end

function methods:tag(name, options)
    local inner = html.create(name, { selfClosing = options and options.selfClosing, parent = self })
    self:node(inner)
    return inner
end

-- Gives each pair of a table to a method, by the order of the keys' names: a table has none of its own.
local function each(self, method, pairs_of)
    local keys = {}
    for key in pairs(pairs_of) do
        keys[#keys + 1] = key
    end
    table.sort(keys, function(a, b)
        return tostring(a) < tostring(b)
    end)
    for _, key in ipairs(keys) do
        method(self, key, pairs_of[key])
    end
    return self
end

function methods:attr(name, value)
    if type(name) == 'table' then
        return each(self, self.attr, name)
    end
    if type(name) ~= 'string' then
        error("invalid name given to mw.html:attr", 2)
    end
    if name == 'style' then
        self.styles = value ~= nil and { { text = tostring(value) } } or {}
        return self
    end
    set(self.attributes, name, value)
    return self
end

function methods:getAttr(name)
    local _, found = find(self.attributes, name)
    return found and found.value or nil
end

function methods:addClass(class)
    if class == nil then
        return self
    end
    local _, found = find(self.attributes, 'class')
    if found then
        found.value = found.value .. ' ' .. tostring(class)
    else
        self:attr('class', tostring(class))
    end
    return self
end

function methods:css(name, value)
    if type(name) == 'table' then
        return each(self, self.css, name)
    end
    set(self.styles, tostring(name), value)
    return self
end

function methods:cssText(text)
    if text ~= nil then
        self.styles[#self.styles + 1] = { text = tostring(text) }
    end
    return self
end

function methods:done()
    return self.parent or self
end

function methods:allDone()
    local node = self
    while node.parent do
        node = node.parent
    end
    return node
end
