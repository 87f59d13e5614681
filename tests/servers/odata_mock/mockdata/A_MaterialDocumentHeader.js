// Material documents: SAP gives out year and number; Cancel books a document whose items name the reversed ones.
'use strict';
const { addParts, refuse } = require('./parts');

const YEAR = '2026';
let documents = 4900000000;

async function addItems(base, header, items, request) {
    const { MaterialDocumentYear, MaterialDocument } = header;
    let count = 0;
    const own = (item) => {
        item.MaterialDocumentItem = String(++count).padStart(4, '0');
        return { MaterialDocumentYear, MaterialDocument, MaterialDocumentItem: item.MaterialDocumentItem };
    };
    await addParts(base, 'A_MaterialDocumentItem', items, own, request);
    for (const item of items) {
        const key = { MaterialDocumentYear, MaterialDocument, MaterialDocumentItem: item.MaterialDocumentItem };
        await addParts(base, 'A_SerialNumberMaterialDocument', item.to_SerialNumbers ?? [], () => key, request);
    }
}

module.exports = {
    getInitialDataSet() {
        return [];
    },
    async onBeforeAddEntry(_keys, header) {
        header.MaterialDocumentYear = YEAR;
        header.MaterialDocument = String(++documents);
    },
    async onAfterAddEntry(_keys, header, request) {
        await addItems(this.base, header, header.to_MaterialDocumentItem, request);
    },
    async executeAction(_action, parameters, _keys, request) {
        const { MaterialDocumentYear, MaterialDocument, PostingDate } = parameters;
        const items = await this.base.getEntityInterface('A_MaterialDocumentItem');
        const all = await items.getAllEntries(request);
        const booked = all.filter(
            (item) => item.MaterialDocument === MaterialDocument && item.MaterialDocumentYear === MaterialDocumentYear
        );
        if (booked.length === 0) {
            refuse(this, 'M7/061', 'Document does not exist');
        }
        if (all.some((item) => item.ReversedMaterialDocument === MaterialDocument)) {
            refuse(this, 'M7/062', 'Document is cancelled already');
        }
        const header = { MaterialDocumentYear: YEAR, MaterialDocument: String(++documents), PostingDate };
        await this.base.addEntry({ ...header, ReferenceDocument: '' });
        const reversals = booked.map((item) => ({
            ...item,
            ReversedMaterialDocumentYear: item.MaterialDocumentYear,
            ReversedMaterialDocument: item.MaterialDocument,
            ReversedMaterialDocumentItem: item.MaterialDocumentItem,
        }));
        await addItems(this.base, header, reversals, request);
        return header;
    },
};
