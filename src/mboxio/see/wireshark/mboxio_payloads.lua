-- mboxio: dissector for Wireshark
--
-- Messages of protocols that mboxio speaks. It is also an example of how yours can be shown: a Proto with a
-- dissector, added to "mboxio.channel" by the name of a channel, or to "mboxio.protocol".

local known, there = pcall(Dissector.get, "rpi-property")
if known and there then return end -- loaded by mboxio.lua before

local malformed = expert.group.MALFORMED
local error_severity = expert.severity.ERROR

-- Raspberry Pi: a buffer of tags, over which the firmware writes its answers.

local REQUEST, SUCCESS, FAILURE = 0, 0x80000000, 0x80000001
local CODES = { [REQUEST] = "request", [SUCCESS] = "success", [FAILURE] = "failure" }
local TAGS = {
  [0x00001] = "firmware revision", [0x10001] = "board model", [0x10002] = "board revision",
  [0x10003] = "MAC address", [0x10004] = "board serial", [0x10005] = "ARM memory",
  [0x10006] = "VideoCore memory", [0x20001] = "power", [0x20002] = "power-up time",
  [0x28001] = "set power", [0x30001] = "clock state", [0x30002] = "clock", [0x30003] = "voltage",
  [0x30004] = "clock, highest", [0x30005] = "voltage, highest", [0x30006] = "temperature",
  [0x30007] = "clock, lowest", [0x30008] = "voltage, lowest", [0x3000A] = "temperature limit",
  [0x30010] = "execute-code", [0x30011] = "execute-qpu", [0x30012] = "enable-qpu",
  [0x30046] = "throttled", [0x30047] = "clock, measured", [0x38002] = "set clock",
  [0x50001] = "command line", [0x60001] = "DMA channels",
}
local HEADER_BYTES, TAG_BYTES = 8, 12

local rpi = Proto("rpi-property", "Raspberry Pi properties")
local r = {
  size = ProtoField.uint32("rpi-property.size", "Size", base.DEC),
  code = ProtoField.uint32("rpi-property.code", "Code", base.HEX, CODES),
  tag = ProtoField.uint32("rpi-property.tag", "Tag", base.HEX, TAGS),
  room = ProtoField.uint32("rpi-property.room", "Room", base.DEC),
  answered = ProtoField.bool("rpi-property.answered", "Answered", 32, nil, 0x80000000),
  length = ProtoField.uint32("rpi-property.length", "Length", base.DEC, nil, 0x7FFFFFFF),
  value = ProtoField.bytes("rpi-property.value", "Value"),
}
rpi.fields = { r.size, r.code, r.tag, r.room, r.answered, r.length, r.value }
local r_malformed = ProtoExpert.new("rpi-property.malformed", "Not a property buffer", malformed, error_severity)
rpi.experts = { r_malformed }

local function add_tag(root, tvb, at) -- returns the tag's name, and how many bytes it takes
  local tag, room = tvb(at, 4):le_uint(), tvb(at + 4, 4):le_uint()
  local name = TAGS[tag] or string.format("tag 0x%08x", tag)
  local left = tvb:len() - at - TAG_BYTES
  local tree = root:add(rpi, tvb(at, TAG_BYTES + math.min(room, left)), "Tag: " .. name)
  tree:add_le(r.tag, tvb(at, 4))
  tree:add_le(r.room, tvb(at + 4, 4))
  tree:add_le(r.answered, tvb(at + 8, 4))
  tree:add_le(r.length, tvb(at + 8, 4))
  if room > left then
    tree:add_proto_expert_info(r_malformed, "The tag has room for " .. room .. " bytes, " .. left .. " are left")
  end
  room = math.min(room, left)
  if room > 0 then tree:add(r.value, tvb(at + TAG_BYTES, room)) end
  return name, TAG_BYTES + room + (-room) % 4
end

function rpi.dissector(tvb, pinfo, tree)
  local length = tvb:len()
  local root = tree:add(rpi, tvb())
  if length < HEADER_BYTES then
    root:add_proto_expert_info(r_malformed, "A property buffer of " .. length .. " bytes")
    return length
  end
  root:add_le(r.size, tvb(0, 4))
  root:add_le(r.code, tvb(4, 4))
  local names, at = {}, HEADER_BYTES
  while at + TAG_BYTES <= length and tvb(at, 4):le_uint() ~= 0 do
    local name, taken = add_tag(root, tvb, at)
    names[#names + 1] = name
    at = at + taken
  end
  local code = tvb(4, 4):le_uint()
  local said = CODES[code] or string.format("code 0x%08x", code)
  pinfo.cols.info:append(": RPi " .. said .. (#names > 0 and ": " or "") .. table.concat(names, ", ", 1, math.min(#names, 8)))
  return length
end
DissectorTable.get("mboxio.protocol"):add("rpi-property", rpi)

-- ACPM: registers of a PMIC, four words each way.

local VERBS = { [0] = "read", "write", "update", "bulk-read", "bulk-write" }
local RESULTS = { [0] = "done", "read refused", "write refused" }
local PMIC_BYTES = 16
local pmic = Proto("acpm-pmic", "ACPM PMIC registers")
local p = {
  number = ProtoField.uint32("acpm-pmic.number", "Number", base.DEC, nil, 0x003F0000),
  bus = ProtoField.uint32("acpm-pmic.bus", "Bus", base.DEC, nil, 0x0000F000),
  kind = ProtoField.uint32("acpm-pmic.kind", "Kind", base.DEC, nil, 0x00000F00),
  register = ProtoField.uint32("acpm-pmic.register", "Register", base.HEX, nil, 0x000000FF),
  result = ProtoField.uint32("acpm-pmic.result", "Result", base.DEC, RESULTS, 0xFF000000),
  mask = ProtoField.uint32("acpm-pmic.mask", "Mask", base.HEX, nil, 0x00FF0000),
  value = ProtoField.uint32("acpm-pmic.value", "Value or count", base.HEX, nil, 0x0000FF00),
  operation = ProtoField.uint32("acpm-pmic.function", "Function", base.DEC, VERBS, 0x000000FF),
  data = ProtoField.bytes("acpm-pmic.data", "Data"),
  time = ProtoField.uint32("acpm-pmic.time_ms", "Time in ms", base.DEC),
}
pmic.fields = { p.number, p.bus, p.kind, p.register, p.result, p.mask, p.value, p.operation, p.data, p.time }
local p_malformed = ProtoExpert.new("acpm-pmic.malformed", "Not a PMIC message", malformed, error_severity)
pmic.experts = { p_malformed }

function pmic.dissector(tvb, pinfo, tree)
  local length = tvb:len()
  local root = tree:add(pmic, tvb())
  if length < PMIC_BYTES then
    root:add_proto_expert_info(p_malformed, "A PMIC message of " .. length .. " bytes, not " .. PMIC_BYTES)
    return length
  end
  local where, what = tvb(0, 4), tvb(4, 4)
  for _, each in ipairs { p.number, p.bus, p.kind, p.register } do root:add_le(each, where) end
  for _, each in ipairs { p.operation, p.result, p.mask, p.value } do root:add_le(each, what) end
  local operation, value, result = what(0, 1):uint(), what(1, 1):uint(), what(3, 1):uint()
  if operation >= 3 then
    root:add(p.data, tvb(8, 8))
  else
    root:add_le(p.time, tvb(12, 4))
  end
  local info = string.format(": PMIC %s 0x%02x", VERBS[operation] or "function " .. operation, where(0, 1):uint())
  info = info .. (operation >= 3 and ", count " .. value or string.format(", value 0x%02x", value))
  if result ~= 0 then info = info .. ", " .. (RESULTS[result] or "result " .. result) end
  pinfo.cols.info:append(info)
  return length
end
DissectorTable.get("mboxio.protocol"):add("acpm-pmic", pmic)
