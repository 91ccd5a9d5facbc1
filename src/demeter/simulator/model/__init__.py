"""The COSEM object model of a simulated meter (IS 15959): what ``protocols.dlms.server`` asks for answers."""
