-- ChaCha20-Poly1305 (RFC 8439) in Lua alone: Wireshark below 4.4 lends scripts no cipher. Used by earshot.lua, beside
-- which it must lie; loaded by itself it does nothing.

local floor, WORD = math.floor, 4294967296
local xor, rol
if bit32 then -- Lua 5.2
    xor, rol = bit32.bxor, bit32.lrotate
else -- Lua 5.3 and later; in quotes, because 5.2 cannot read it
    xor = load("return function(a, b) return a ~ b end")()
    rol = load("return function(a, n) return (a << n | a >> (32 - n)) & 0xFFFFFFFF end")()
end

local function word(octets, place)
    local a, b, c, d = octets:byte(place, place + 3)
    return a + b * 256 + c * 65536 + d * 16777216
end

local function words(octets)
    local list = {}
    for place = 1, #octets, 4 do list[#list + 1] = word(octets, place) end
    return list
end

local function octets(list)
    local parts = {}
    for i, w in ipairs(list) do
        parts[i] = string.char(w % 256, floor(w / 256) % 256, floor(w / 65536) % 256, floor(w / 16777216))
    end
    return table.concat(parts)
end

local function quarter(x, a, b, c, d)
    local p, q, r, s = x[a], x[b], x[c], x[d]
    p = (p + q) % WORD; s = rol(xor(s, p), 16)
    r = (r + s) % WORD; q = rol(xor(q, r), 12)
    p = (p + q) % WORD; s = rol(xor(s, p), 8)
    r = (r + s) % WORD; q = rol(xor(q, r), 7)
    x[a], x[b], x[c], x[d] = p, q, r, s
end

-- Sixteen words of key stream. The key is 32 octets, the nonce 12.
local function block(key, nonce, counter)
    local start = words("expand 32-byte k" .. key)
    start[13] = counter
    for i, w in ipairs(words(nonce)) do start[13 + i] = w end
    local x = {}
    for i = 1, 16 do x[i] = start[i] end
    for _ = 1, 10 do
        quarter(x, 1, 5, 9, 13); quarter(x, 2, 6, 10, 14); quarter(x, 3, 7, 11, 15); quarter(x, 4, 8, 12, 16)
        quarter(x, 1, 6, 11, 16); quarter(x, 2, 7, 12, 13); quarter(x, 3, 8, 9, 14); quarter(x, 4, 5, 10, 15)
    end
    for i = 1, 16 do x[i] = (x[i] + start[i]) % WORD end
    return x
end

local function chacha20(key, nonce, text)
    local parts = {}
    for place = 1, #text, 64 do
        local piece = text:sub(place, place + 63)
        local stream = block(key, nonce, (place - 1) / 64 + 1)
        local list = words(piece .. ("\0"):rep(64 - #piece))
        for i = 1, 16 do list[i] = xor(list[i], stream[i]) end
        parts[#parts + 1] = octets(list):sub(1, #piece)
    end
    return table.concat(parts)
end

-- Ten limbs of 13 bits, which leave room for their products in a double.
local function limbs(text)
    local list, rest, bits = {}, 0, 1
    for i = 1, #text do
        rest, bits = rest + text:byte(i) * bits, bits * 256
        while bits >= 8192 do
            list[#list + 1] = rest % 8192
            rest, bits = floor(rest / 8192), floor(bits / 8192)
        end
    end
    list[#list + 1] = rest
    while #list < 10 do list[#list + 1] = 0 end
    return list
end

local function carry(h)
    for _ = 1, 2 do
        local rest = 0
        for i = 1, 10 do
            rest = rest + h[i]
            h[i], rest = rest % 8192, floor(rest / 8192)
        end
        h[1] = h[1] + rest * 5
    end
end

local function poly1305(key, text)
    local clamped = { key:byte(1, 16) }
    for _, i in ipairs({ 4, 8, 12, 16 }) do clamped[i] = clamped[i] % 16 end
    for _, i in ipairs({ 5, 9, 13 }) do clamped[i] = clamped[i] - clamped[i] % 4 end
    local r, h = limbs(string.char((table.unpack or unpack)(clamped))), limbs("")
    for place = 1, #text, 16 do
        local m = limbs(text:sub(place, place + 15) .. "\1")
        local product = {}
        for i = 1, 10 do h[i] = h[i] + m[i] end
        for i = 1, 10 do
            local sum = 0
            for j = 1, 10 do sum = sum + h[j] * (j <= i and r[i - j + 1] or 5 * r[i - j + 11]) end
            product[i] = sum
        end
        h = product
        carry(h)
    end
    carry(h)
    -- Less the prime 2^130 - 5, if it is not below it.
    local g, rest = {}, 5
    for i = 1, 10 do
        rest = rest + h[i]
        g[i], rest = rest % 8192, floor(rest / 8192)
    end
    if rest > 0 then h = g end
    local s, tag, sum, bits, at = limbs(key:sub(17, 32)), {}, 0, 1, 1
    for _ = 1, 16 do
        while bits < 256 do
            sum, bits, at = sum + (h[at] + s[at]) * bits, bits * 8192, at + 1
        end
        tag[#tag + 1] = string.char(sum % 256)
        sum, bits = floor(sum / 256), floor(bits / 256)
    end
    return table.concat(tag)
end

local function padded(text) return text .. ("\0"):rep(-#text % 16) end

local function length(text) return string.char(#text % 256, floor(#text / 256), 0, 0, 0, 0, 0, 0) end

-- The plaintext; nil if this key did not seal it. `counter` is eight octets.
local function open(key, counter, head, box)
    local text, tag = box:sub(1, -17), box:sub(-16)
    local nonce = "\0\0\0\0" .. counter
    local once = octets(block(key, nonce, 0)):sub(1, 32)
    if poly1305(once, padded(head) .. padded(text) .. length(head) .. length(text)) ~= tag then return nil end
    return chacha20(key, nonce, text)
end

return open
