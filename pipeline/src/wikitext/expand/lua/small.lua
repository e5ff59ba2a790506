-- Libraries that are asked for with require, and those of mw that say little: bit32, libraryUtil, strict, mw.site,
-- mw.message, mw.wikibase, mw.ext.
local shared = ...
local native, base, mw, host = shared.native, shared.base, shared.mw, shared.host
local plain = shared.plain_libraries
local tostring, pairs, ipairs = base.tostring, base.pairs, base.ipairs

-- strict: a global must have been set before it is read.
function plain.strict(own)
    local meta = base.getmetatable(own) or {}
    meta.__newindex = function(t, name, value)
        if name ~= 'arg' then
            error('assign to undeclared variable "' .. tostring(name) .. '"', 2)
        end
        rawset(t, name, value)
    end
    meta.__index = function(_, name)
        if name ~= 'arg' then
            error('variable "' .. tostring(name) .. '" is not declared', 2)
        end
    end
    setmetatable(own, meta)
    return true
end

local checks = {}
plain.libraryUtil = function()
    local own = {}
    for name, f in pairs(checks) do
        own[name] = f
    end
    return own
end

function checks.checkType(name, position, value, wanted, optional)
    if value == nil and optional then
        return
    end
    if type(value) ~= wanted then
        error(("bad argument #%d to '%s' (%s expected, got %s)"):format(position, name, wanted, type(value)), 3)
    end
end

function checks.checkTypeMulti(name, position, value, wanted)
    for _, kind in ipairs(wanted) do
        if type(value) == kind then
            return
        end
    end
    local list = table.concat(wanted, ', ', 1, #wanted - 1)
    list = (list == '' and '' or list .. ' or ') .. tostring(wanted[#wanted])
    error(("bad argument #%d to '%s' (%s expected, got %s)"):format(position, name, list, type(value)), 3)
end

function checks.checkTypeForIndex(index, value, wanted)
    if type(value) ~= wanted then
        error(("value for index '%s' must be %s, %s given"):format(tostring(index), wanted, type(value)), 3)
    end
end

function checks.checkTypeForNamedArg(name, argument, value, wanted, optional)
    if value == nil and optional then
        return
    end
    if type(value) ~= wanted then
        error(("bad named argument %s to '%s' (%s expected, got %s)"):format(argument, name, wanted, type(value)), 3)
    end
end

function checks.makeCheckSelfFunction(library, variable, object, what)
    return function(self, method)
        if self ~= object then
            error(("%s: invalid %s. Did you call %s with a dot instead of a colon, i.e. %s.%s() instead of %s:%s()?"):format(
                library, what, method, variable, method, variable, method), 3)
        end
    end
end

-- bit32, by arithmetic.
local bits = {}
plain.bit32 = function()
    return mw.clone(bits)
end
local WORD = 4294967296

local function combine(one)
    return function(...)
        local result
        for i = 1, select('#', ...) do
            local value = select(i, ...) % WORD
            if result == nil then
                result = value
            else
                local out, place = 0, 1
                for _ = 1, 32 do
                    local a, b = result % 2, value % 2
                    if one(a, b) then
                        out = out + place
                    end
                    result, value, place = (result - a) / 2, (value - b) / 2, place * 2
                end
                result = out
            end
        end
        return result
    end
end

local either = combine(function(a, b) return a == 1 or b == 1 end)
local both = combine(function(a, b) return a == 1 and b == 1 end)
function bits.band(...) return both(WORD - 1, ...) end
function bits.bor(...) return either(0, ...) end
function bits.bxor(...) return combine(function(a, b) return a ~= b end)(0, ...) end
function bits.bnot(a) return WORD - 1 - a % WORD end
function bits.btest(...) return bits.band(...) ~= 0 end
function bits.lshift(a, n)
    if n < 0 then return bits.rshift(a, -n) end
    return n > 31 and 0 or a % WORD * 2 ^ n % WORD
end
function bits.rshift(a, n)
    if n < 0 then return bits.lshift(a, -n) end
    return n > 31 and 0 or math.floor(a % WORD / 2 ^ n)
end
function bits.arshift(a, n)
    a = a % WORD
    local shifted = bits.rshift(a, n)
    if a >= WORD / 2 and n > 0 then
        shifted = shifted + WORD - 2 ^ (32 - math.min(n, 32))
    end
    return shifted
end
function bits.lrotate(a, n)
    n = n % 32
    return bits.bor(bits.lshift(a, n), bits.rshift(a, 32 - n))
end
function bits.rrotate(a, n) return bits.lrotate(a, -n) end
function bits.extract(a, field, width)
    return math.floor(a % WORD / 2 ^ field) % 2 ^ (width or 1)
end
function bits.replace(a, value, field, width)
    local size = 2 ^ (width or 1)
    local old = bits.extract(a, field, width)
    return a % WORD + (value % size - old) * 2 ^ field
end

-- mw.site: from the dump; looked up when first asked for.
local site_meta = {
    __index = function(t, name)
        local site = host('site')
        local spaces = {}
        for _, space in ipairs(site.spaces) do
            space.displayName, space.canonicalName = space.name, space.canonicalName
            space.hasSubpages, space.isIncludable, space.isCapitalized = space.id ~= 0, true, true
            space.isSubject, space.isTalk = space.id % 2 == 0, space.id % 2 == 1
            space.isContent, space.aliases = space.id == 0, {}
            spaces[space.id] = space
        end
        local subject, talk, content = {}, {}, { [0] = spaces[0] }
        for id, space in pairs(spaces) do
            (space.isTalk and talk or subject)[id] = space
            space.subject = spaces[id - id % 2]
            space.talk = id >= 0 and spaces[id - id % 2 + 1] or nil
        end
        local by_name = {
            __index = function(_, wanted)
                if type(wanted) == 'string' then
                    local id = host('namespace', wanted)
                    return id and spaces[id] or nil
                end
            end,
        }
        local count = { articles = 0, pages = 0, edits = 0, files = 0, users = 0, activeUsers = 0, admins = 0 }
        count.pagesInCategory = function() return 0 end
        count.pagesInNamespace = function() return 0 end
        count.usersInGroup = function() return 0 end
        local all = {
            siteName = site.name, server = site.server, scriptPath = '/w', stylePath = '/w/skins',
            currentVersion = '1.43.0', namespaces = setmetatable(spaces, by_name), subjectNamespaces = subject,
            talkNamespaces = talk, contentNamespaces = content, stats = count,
            interwikiMap = function() return {} end,
        }
        -- One call, one page: what was looked up stays with this environment.
        for key, value in pairs(all) do
            rawset(t, key, value)
        end
        return all[name]
    end,
}
shared.private[site_meta] = true
mw.site = setmetatable({}, site_meta)

-- mw.message: the few texts that modules join words with; others show their key, as where nobody translated them.
local texts = {
    ['comma-separator'] = ', ', ['word-separator'] = ' ', ['and'] = ' and', ['colon-separator'] = ': ',
    ['semicolon-separator'] = '; ', ['pipe-separator'] = ' | ', ['parentheses'] = '($1)', ['brackets'] = '[$1]',
    ['parentheses-start'] = '(', ['parentheses-end'] = ')', ['quotation-marks'] = '"$1"', ['dot-separator'] = ' · ',
    ['percent'] = '$1%', ['ellipsis'] = '…', ['blanknamespace'] = '(Main)',
}
mw.message = {}

local function message(text, exists)
    local parameters = {}
    local self = {}
    local function shown()
        return (text:gsub('%$(%d+)', function(number)
            local value = parameters[tonumber(number)]
            return value ~= nil and tostring(value) or nil
        end))
    end
    function self:params(...)
        local given = { ... }
        if type(given[1]) == 'table' and #given == 1 and given[1].num == nil then
            given = given[1]
        end
        for _, value in ipairs(given) do
            if type(value) == 'table' then
                value = value.num or value.raw
            end
            parameters[#parameters + 1] = value
        end
        return self
    end
    self.rawParams = self.params
    function self:numParams(...)
        return self:params(...)
    end
    function self:inLanguage() return self end
    function self:useDatabase() return self end
    function self:plain() return shown() end
    function self:exists() return exists end
    function self:isBlank() return text == '' end
    function self:isDisabled() return text == '' or text == '-' end
    return setmetatable(self, { __tostring = shown })
end

function mw.message.new(key, ...)
    local text = texts[key]
    return message(text or '⧼' .. tostring(key) .. '⧽', text ~= nil):params(...)
end
function mw.message.newFallbackSequence(...)
    for _, key in ipairs { ... } do
        if texts[key] then
            return mw.message.new(key)
        end
    end
    return mw.message.new((...))
end
function mw.message.newRawMessage(text, ...)
    return message(tostring(text), true):params(...)
end
mw.message.rawParam = function(value) return { raw = value } end
mw.message.numParam = function(value) return { num = value } end
function mw.message.getDefaultLanguage() return mw.language.getContentLanguage() end

-- mw.wikibase: no page is connected to an item.
local function none() end
mw.wikibase = {}
for _, name in ipairs { 'getEntity', 'getEntityObject', 'getEntityIdForCurrentPage', 'getEntityIdForTitle',
    'getEntityUrl', 'getLabel', 'getLabelWithLang', 'getLabelByLang', 'label', 'getDescription',
    'getDescriptionWithLang', 'getDescriptionByLang', 'description', 'getSitelink', 'sitelink', 'resolvePropertyId',
    'getReferencedEntityId', 'renderSnak', 'formatValue', 'getGlobalSiteId' } do
    mw.wikibase[name] = none
end
function mw.wikibase.getBestStatements() return {} end
function mw.wikibase.getAllStatements() return {} end
function mw.wikibase.getPropertyOrder() return {} end
function mw.wikibase.getBadges() return {} end
function mw.wikibase.renderSnaks() return '' end
function mw.wikibase.formatValues() return '' end
function mw.wikibase.orderProperties(list) return list end
function mw.wikibase.entityExists() return false end
function mw.wikibase.isValidEntityId(id) return type(id) == 'string' and id:find('^[QPL][1-9]%d*$') ~= nil end

mw.ext = {
    ParserFunctions = {
        expr = function(sum)
            return host('expression', tostring(sum))
        end,
    },
}
