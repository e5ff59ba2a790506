-- mw.title and mw.language.
local shared = ...
local native, base, mw, host = shared.native, shared.base, shared.mw, shared.host
local tostring, pairs, ipairs = base.tostring, base.pairs, base.ipairs

local title = {}
mw.title = title

local methods, lazy, meta = {}, {}, {}
shared.private[meta] = true

local function make(found)
    return setmetatable({ namespace = found.namespace, text = found.text, nsText = found.nsText,
        fragment = found.fragment or '', interwiki = '', isExternal = false, isLocal = true }, meta)
end

local function read(text, namespace)
    local found = host('title', text, namespace)
    return found and make(found) or nil
end

local function space_number(namespace)
    if namespace == nil or type(namespace) == 'number' then
        return namespace
    end
    local number = host('namespace', tostring(namespace))
    if not number then
        error("unrecognized namespace name '" .. tostring(namespace) .. "'", 3)
    end
    return number
end

function title.new(text, namespace)
    if type(text) == 'number' then
        return nil
    elseif type(text) ~= 'string' then
        error("bad argument #1 to 'title.new' (string expected, got " .. type(text) .. ')', 2)
    end
    return read(text, space_number(namespace))
end

function title.makeTitle(namespace, text, fragment)
    local number = space_number(namespace)
    local found = host('make_title', number, tostring(text))
    if not found then
        return nil
    end
    found.fragment = fragment
    return make(found)
end

function title.getCurrentTitle()
    return make(host('current_title'))
end
title.newBatch = function(list)
    return {
        lookupExistence = function(self) return self end,
        getTitles = function()
            local all = {}
            for i, one in ipairs(list) do
                all[i] = type(one) == 'table' and one or title.new(one)
            end
            return all
        end,
    }
end

function title.equals(a, b)
    return a.namespace == b.namespace and a.text == b.text and a.interwiki == b.interwiki
end
function title.compare(a, b)
    if a.namespace ~= b.namespace then
        return a.namespace < b.namespace and -1 or 1
    end
    if a.text ~= b.text then
        return a.text < b.text and -1 or 1
    end
    return 0
end

function lazy.prefixedText(t)
    return t.nsText == '' and t.text or t.nsText .. ':' .. t.text
end
function lazy.fullText(t)
    return t.fragment == '' and t.prefixedText or t.prefixedText .. '#' .. t.fragment
end
-- Articles have no pages below them.
local function cut(t, pattern)
    return t.namespace ~= 0 and t.text:match(pattern) or nil
end
function lazy.rootText(t) return cut(t, '^([^/]*)/') or t.text end
function lazy.baseText(t) return cut(t, '^(.*)/[^/]*$') or t.text end
function lazy.subpageText(t) return cut(t, '^.*/([^/]*)$') or t.text end
function lazy.isSubpage(t) return t.namespace ~= 0 and t.text:find('/', 1, true) ~= nil end
function lazy.isTalkPage(t) return t.namespace > 0 and t.namespace % 2 == 1 end
function lazy.isContentPage(t) return t.namespace == 0 end
function lazy.isSpecialPage(t) return t.namespace == -1 end
function lazy.canTalk(t) return t.namespace >= 0 end
function lazy.isRedirect(t) return t.redirectTarget ~= false end
function lazy.exists(t) return host('exists', t.namespace, t.text) end
function lazy.id(t) return t.exists and 1 or 0 end
function lazy.contentModel(t) return t.namespace == 828 and 'Scribunto' or 'wikitext' end
function lazy.subjectNsText(t) return host('namespace_name', t.namespace < 0 and t.namespace or t.namespace - t.namespace % 2) end
function lazy.talkNsText(t) return t.namespace >= 0 and host('namespace_name', t.namespace - t.namespace % 2 + 1) or '' end
function lazy.talkPageTitle(t)
    return t.namespace >= 0 and title.makeTitle(t.namespace - t.namespace % 2 + 1, t.text) or nil
end
function lazy.subjectPageTitle(t)
    return title.makeTitle(t.namespace < 0 and t.namespace or t.namespace - t.namespace % 2, t.text)
end
function lazy.basePageTitle(t) return title.makeTitle(t.namespace, t.baseText) end
function lazy.rootPageTitle(t) return title.makeTitle(t.namespace, t.rootText) end
function lazy.redirectTarget(t)
    local target = host('redirect', t.namespace, t.text)
    return target and make(target) or false
end
function lazy.protectionLevels() return {} end
function lazy.cascadingProtection() return { restrictions = {}, sources = {} } end
function lazy.categories() return {} end
function lazy.file(t)
    return (t.namespace == 6 or t.namespace == -2) and { exists = false } or nil
end
lazy.fileExists = function() return false end
function lazy.content(t) return methods.getContent(t) end
function lazy.pageLanguage() return mw.language.getContentLanguage() end

function methods:getContent()
    return host('content', self.namespace, self.text)
end
function methods:isSubpageOf(other)
    return self.namespace == other.namespace and self.text:sub(1, #other.text + 1) == other.text .. '/'
end
function methods:inNamespace(namespace)
    return self.namespace == space_number(namespace)
end
function methods:inNamespaces(...)
    for i = 1, select('#', ...) do
        if self:inNamespace((select(i, ...))) then
            return true
        end
    end
    return false
end
function methods:hasSubjectNamespace(namespace)
    return self.namespace - self.namespace % 2 == space_number(namespace)
end
function methods:subPageTitle(text)
    return title.makeTitle(self.namespace, self.text .. '/' .. tostring(text))
end
function methods:partialUrl()
    return mw.uri.encode(self.text, 'WIKI')
end
function methods:fullUrl(query)
    return tostring(mw.uri.fullUrl(self.prefixedText, query))
end
function methods:localUrl(query)
    return tostring(mw.uri.localUrl(self.prefixedText, query))
end
function methods:canonicalUrl(query)
    return tostring(mw.uri.canonicalUrl(self.prefixedText, query))
end

meta.__index = function(t, name)
    if methods[name] then
        return methods[name]
    end
    local f = lazy[name]
    if f then
        local value = f(t)
        if value ~= nil then
            rawset(t, name, value)
        end
        return value
    end
end
meta.__eq = title.equals
meta.__lt = function(a, b)
    return title.compare(a, b) < 0
end
meta.__le = function(a, b)
    return title.compare(a, b) <= 0
end
meta.__tostring = function(t)
    return t.prefixedText
end
meta.__concat = function(a, b)
    return tostring(a) .. tostring(b)
end

local language = { FALLBACK_MESSAGES = 0, FALLBACK_STRICT = 1 }
mw.language = language
local language_methods = {}
local language_meta = { __index = language_methods }
shared.private[language_meta] = true

function language.new(code)
    return setmetatable({ code = tostring(code) }, language_meta)
end
function language.getContentLanguage()
    return language.new(host('language'))
end
mw.getContentLanguage, mw.getLanguage = language.getContentLanguage, language.new
function language.fetchLanguageName(code, inside)
    return native.language_name(tostring(code), inside and tostring(inside) or nil)
end
function language.fetchLanguageNames()
    return {}
end
function language.isKnownLanguageTag(code)
    return native.language_name(tostring(code)) ~= ''
end
language.isSupportedLanguage = language.isKnownLanguageTag
function language.isValidCode(code)
    return type(code) == 'string' and code ~= '' and not code:find('[:\'"/\\<>&]')
end
function language.isValidBuiltInCode(code)
    return type(code) == 'string' and code:find('^[a-zA-Z0-9%-]+$') ~= nil
end
function language.getFallbacksFor(code)
    return code == 'en' and {} or { 'en' }
end

function language_methods:getCode() return self.code end
function language_methods:toBcp47Code() return self.code end
function language_methods:isRTL() return native.right_to_left(self.code) end
function language_methods:getDir() return self:isRTL() and 'rtl' or 'ltr' end
function language_methods:getDirMark(opposite) return self:isRTL() ~= (opposite or false) and '\226\128\143' or '\226\128\142' end
function language_methods:getDirMarkEntity(opposite) return self:isRTL() ~= (opposite or false) and '&rlm;' or '&lrm;' end
function language_methods:getArrow(direction)
    local arrows = { up = '↑', down = '↓', left = '←', right = '→',
        forwards = self:isRTL() and '←' or '→', backwards = self:isRTL() and '→' or '←' }
    return arrows[direction or 'forwards']
end
function language_methods:getFallbackLanguages() return language.getFallbacksFor(self.code) end
function language_methods:lc(s) return mw.ustring.lower(s) end
function language_methods:uc(s) return mw.ustring.upper(s) end
language_methods.caseFold = language_methods.lc
function language_methods:lcfirst(s)
    return mw.ustring.lower(mw.ustring.sub(s, 1, 1)) .. mw.ustring.sub(s, 2)
end
function language_methods:ucfirst(s)
    return mw.ustring.upper(mw.ustring.sub(s, 1, 1)) .. mw.ustring.sub(s, 2)
end
function language_methods:formatNum(number, options)
    return native.format_number(shared.as_text(number, 'formatNum'), self.code, options and options.noCommafy or false)
end
function language_methods:parseFormattedNumber(text)
    return tonumber(native.parse_number(tostring(text), self.code))
end
function language_methods:formatDate(format, when, _)
    local shown = host('format_date', tostring(format), when and tostring(when) or '', self.code)
    if not shown then
        error("bad argument #2 to 'formatDate': invalid timestamp '" .. tostring(when) .. "'", 2)
    end
    return shown
end
function language_methods:convertPlural(number, ...)
    local forms = { ... }
    if type(forms[1]) == 'table' then
        forms = forms[1]
    end
    local chosen = native.plural(self.code, tonumber(number) or 0) + 1
    return forms[math.min(chosen, #forms)]
end
language_methods.plural = language_methods.convertPlural
function language_methods:convertGrammar(word)
    return word
end
function language_methods:grammar(_, word)
    return word
end
function language_methods:gender(_, ...)
    local forms = { ... }
    if type(forms[1]) == 'table' then
        forms = forms[1]
    end
    return forms[3] or forms[1]
end
local units = { { 'years', 31556952 }, { 'days', 86400 }, { 'hours', 3600 }, { 'minutes', 60 }, { 'seconds', 1 } }
function language_methods:getDurationIntervals(seconds)
    local out = {}
    for _, unit in ipairs(units) do
        local count = math.floor(seconds / unit[2])
        if count > 0 or unit[2] == 1 and next(out) == nil then
            out[unit[1]] = count
        end
        seconds = seconds - count * unit[2]
    end
    return out
end
function language_methods:formatDuration(seconds)
    local intervals, out = self:getDurationIntervals(seconds), {}
    for _, unit in ipairs(units) do
        local count = intervals[unit[1]]
        if count then
            out[#out + 1] = count .. ' ' .. (count == 1 and unit[1]:sub(1, -2) or unit[1])
        end
    end
    return mw.text.listToText(out)
end
