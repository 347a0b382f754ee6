"""The discrepancy report: figures read from the mart, an Excel workbook and one HTML page."""
